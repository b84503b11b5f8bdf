/* What a thread has handed in before a call through the box runs before it, and
 * so does what it knows that others have handed in. */
#include "boxed.h"

static uint64_t ran;         /* loop, by atomic stores */
static uint64_t boxed_calls; /* loop */

static void count_ran(uint64_t n) {
  CHECK_EQ(ran, n);
  __atomic_store_n(&ran, n + 1, __ATOMIC_RELEASE);
}

static void post_ordered(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  count_ran((uint64_t)(uintptr_t)arg);
}

static void handle_ordered(ob_request *request, void *input, size_t size,
                           void *user) {
  CHECK(size == 0 && input == NULL);
  count_ran((uint64_t)(uintptr_t)user);
  boxed_calls += (uint64_t)is_boxed(request);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

static void hand_in(ob_engine *engine, uint64_t n, uint64_t how) {
  ob_call_opts opts = test_call(handle_ordered, (void *)(uintptr_t)n);
  switch (how % 3) {
    case 0:
      CHECK_EQ(ob_post(engine, post_ordered, opts.user), OB_OK);
      break;
    case 1: /* onto the list */
      CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
      break;
    default: /* into the lane */
      opts.flags = OB_CALL_SYNC;
      CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
      break;
  }
}

static void in_order(void (*change)(ob_engine_opts *)) {
  ob_engine *engine = pinned_engine(change);
  uint64_t seed = test_seed(), rounds = test_ops(1e6), n = 0, random, more,
           same;
  while (n < rounds) {
    ob_call_opts opts;
    random = test_random(&seed);
    /* Mostly calls: they keep the box open. */
    more = random % 8 < 6 ? 0 : random >> 8 & 15;
    for (same = random >> 60 & 1; more > 0; more--) /* of one kind, or mixed */
      hand_in(engine, n++, same ? random >> 56 & 3 : random >> (8 + more));
    opts = test_call(handle_ordered, (void *)(uintptr_t)n++);
    opts.flags = OB_CALL_SYNC;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  }
  test_stop(engine);
  CHECK_EQ(ran, n);
  CHECK(boxed_calls > 0);
}

TEST(order_with_posts_and_submissions) {
  in_order(patient);
}
static void patient_small_batches(ob_engine_opts *opts) {
  patient(opts);
  opts->batch_limit = 2;
}
TEST(order_in_small_batches) {
  in_order(patient_small_batches);
}

/* What a caller has seen another thread hand in comes before its call. Both
 * share a CPU, so that the poster is often preempted right after. */
static uint64_t handed_in; /* atomic */
static int poster_ends;

static void *post_and_tell(void *engine) {
  uint64_t n = 0;
  while (!get(&poster_ends)) {
    CHECK_EQ(ob_post(engine, post_ordered, (void *)(uintptr_t)n), OB_OK);
    __atomic_store_n(&handed_in, ++n, __ATOMIC_RELEASE);
    /* Within one batch: what is over goes behind. */
    while (n - __atomic_load_n(&ran, __ATOMIC_ACQUIRE) > 8) sched_yield();
    if (n % 3 == 0) sched_yield();
  }
  return NULL;
}

static void handle_causal(ob_request *request, void *input, size_t size,
                          void *user) {
  CHECK(size == 0 && input == NULL);
  CHECK(ran >= (uint64_t)(uintptr_t)user);
  boxed_calls += (uint64_t)is_boxed(request);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

TEST(what_a_caller_knows_of_comes_first) {
  ob_engine *engine = pinned_engine(patient);
  uint64_t rounds = test_ops(5e5), i, known, news = 0, last = 0;
  pthread_t poster = test_thread(post_and_tell, engine);
  for (i = 0; i < rounds; i++) {
    ob_call_opts opts;
    known = __atomic_load_n(&handed_in, __ATOMIC_ACQUIRE);
    news += known != last;
    last = known;
    opts = test_call(handle_causal, (void *)(uintptr_t)known);
    opts.flags = OB_CALL_SYNC;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
    if (i % 4 == 0) sched_yield();
  }
  set(&poster_ends, 1);
  test_join(poster);
  test_stop(engine);
  CHECK_EQ(ran, handed_in);
  CHECK(boxed_calls > 0 && news > 0);
}
