/* A lone caller's shortcut past the push list: content, who owns the box, and
 * what does not go through it. Each test requires that the box was in use.
 * box_order.c has the order, box_ends.c and box_stop.c what ends meanwhile. */
#include "boxed.h"

/* --- Closing ---------------------------------------------------------------
 * The loop closes the box before it sleeps, a few microseconds after the last
 * call: so each round makes calls until the box is open, waits up to about
 * twice that long, which it learns, and calls. OB_BREAK_BOX loses such a call.
 */

typedef struct tally {
  uint64_t calls, boxed, closed, longest; /* ns */
} tally;

#define LEAST_NS 2000
#define MOST_NS 2000000

/* Long enough that the box is closed in half of the cases. */
static void pause_until_closed(const ob__lane *lane, uint64_t random,
                               tally *sum) {
  if (box_word(lane) == 0) return;
  busy_ns(random % sum->longest);
  if (box_word(lane) == 0) {
    sum->closed++;
    if (sum->longest > LEAST_NS) sum->longest -= sum->longest / 16;
  } else if (sum->longest < MOST_NS) {
    sum->longest += sum->longest / 16;
  }
}

static void call_and_pause(ob_engine *engine, uint64_t *seed, tally *sum) {
  const ob__lane *lane = ob__lane_get(engine);
  uint64_t random = test_random(seed), quick = random % 32;
  box_call call;
  ob_result result;
  int status;
  do {
    sum->calls++;
    sum->boxed += (uint64_t)call_some(engine, test_random(seed));
  } while (quick-- > 0);
  pause_until_closed(lane, random >> 8, sum);
  /* Now and then so slow that the caller parks. */
  call = box_call_some(engine, test_random(seed));
  if ((random >> 40) % 64 == 0) call.slow_ns = 60000 + (random >> 48);
  status = box_call_make(&call, &result);
  box_call_check(&call, status, &result);
  sum->calls++;
  sum->boxed += (uint64_t)call.boxed;
}

static void impatient(ob_engine_opts *opts) {
  opts->spin_ns = 1000;
}

TEST(a_call_while_the_loop_closes_the_box) {
  ob_engine *engine = pinned_engine(impatient);
  uint64_t seed = test_seed(), rounds = test_ops(1e5), i;
  tally sum = {0, 0, 0, 8 * LEAST_NS};
  for (i = 0; i < rounds; i++) call_and_pause(engine, &seed, &sum);
  printf("  %llu calls, %llu boxed; closed %llu times\n",
         (unsigned long long)sum.calls, (unsigned long long)sum.boxed,
         (unsigned long long)sum.closed);
  CHECK(sum.boxed > rounds / 100 && sum.closed > 0);
  test_stop(engine);
}

/* The loop may do with it what it wants while a handler holds it up. */
TEST(callers_that_park) {
  ob_engine *engine = pinned_engine(patient);
  uint64_t seed = test_seed(), rounds = test_ops(2000), i, boxed = 0;
  for (i = 0; i < rounds; i++) {
    box_call call = box_call_some(engine, test_random(&seed));
    ob_result result;
    int status;
    open_box(engine);
    call.slow_ns = 20000 + test_random(&seed) % 100000;
    status = box_call_make(&call, &result);
    box_call_check(&call, status, &result);
    boxed += (uint64_t)call.boxed;
  }
  CHECK(boxed > 0);
  test_stop(engine);
}

/* --- Whose box it is -------------------------------------------------------
 */

TEST(callers_that_take_turns) {
  ob_engine *engine = pinned_engine(patient);
  uint64_t seed = test_seed(), rounds = test_ops(2e4), i, moved = 0;
  box_caller callers[3];
  int k, last = -1, open;
  for (k = 0; k < 3; k++)
    box_caller_start(&callers[k], engine, seed + (uint64_t)k);
  for (i = 0; i < rounds; i++) {
    uint64_t random = test_random(&seed);
    box_caller *one = &callers[random % 3];
    box_caller_run(one, (int)((random >> 8) % 48));
    for (open = -1, k = 0; k < 3; k++) {
      if (box_word(callers[k].lane) == 0) continue;
      /* Nobody calls now, so the loop can only close it. */
      CHECK(open == -1);
      open = k;
    }
    moved += open != -1 && open != last;
    if (open != -1) last = open;
  }
  for (k = 0; k < 3; k++) {
    CHECK(callers[k].boxed > 0);
    box_caller_end(&callers[k]);
  }
  CHECK(moved > 2);
  test_stop(engine);
}

/* The loop has found a call in the box, and before it in the batch the one with
 * which another thread earns the box. */
static int try_to_move(ob_engine *engine, box_caller *a, box_caller *b) {
  test_blocker blocker;
  int open;
  do {
    box_caller_run(a, 32);
  } while (box_word(a->lane) == 0);
  box_caller_run(b, OB__BOX_AFTER);
  test_block_loop(engine, &blocker);
  open = box_word(a->lane) != 0; /* the loop has not slept meanwhile */
  if (open) {
    uint32_t word = box_word(a->lane);
    box_caller_ask(b, 1);
    AWAIT(!OB__IS_TAG(__atomic_load_n(&engine->head, __ATOMIC_ACQUIRE)));
    box_caller_ask(a, 1);
    AWAIT(box_word(a->lane) != word);
  }
  test_unblock_loop(&blocker);
  box_caller_await(b);
  box_caller_await(a);
  return open;
}

TEST(a_box_with_a_call_in_it_stays) {
  ob_engine *engine = pinned_engine(patient);
  uint64_t seed = test_seed(), rounds = test_ops(500), tried = 0;
  box_caller a, b;
  box_caller_start(&a, engine, seed);
  box_caller_start(&b, engine, seed + 1);
  while (tried < rounds) tried += (uint64_t)try_to_move(engine, &a, &b);
  box_caller_end(&a);
  box_caller_end(&b);
  test_stop(engine);
}

/* --- Numbers ---------------------------------------------------------------
 */

typedef struct renumbering {
  ob__lane *lane;
  uint32_t number;
  int open, done;
} renumbering;

/* On the loop, its caller idle: as after so many calls. */
static void post_renumber(void *arg, int status) {
  renumbering *to = arg;
  ob_engine *engine = ob_engine_current();
  CHECK_EQ(status, OB_OK);
  to->open = engine->box_lane == to->lane;
  if (to->open) {
    CHECK_EQ(box_word(to->lane), engine->box_seen);
    __atomic_store_n(&to->lane->box.state, to->number << 8, __ATOMIC_RELAXED);
    __atomic_store_n(&to->lane->box.word, to->number, __ATOMIC_RELEASE);
    engine->box_seen = to->number;
  }
  set(&to->done, 1);
}

/* They have 24 bits, and 0 means closed. */
TEST(numbers_that_wrap) {
  uint64_t seed = test_seed(), round, wrapped = 0;
  ob_engine *engine = pinned_engine(patient);
  box_caller caller;
  box_caller_start(&caller, engine, seed);
  for (round = 0; round < 20; round++) {
    renumbering to = {caller.lane, 0xffffff - (uint32_t)round, 0, 0};
    uint64_t boxed;
    box_caller_run(&caller, 20);
    CHECK_EQ(ob_post(engine, post_renumber, &to), OB_OK);
    AWAIT(get(&to.done));
    boxed = caller.boxed;
    box_caller_run(&caller, 40);
    wrapped += to.open && caller.boxed == boxed + 40;
    if (to.open && caller.boxed == boxed + 40)
      CHECK_EQ(box_word(caller.lane), 40 - round);
  }
  box_caller_end(&caller);
  CHECK(wrapped > 0);
  test_stop(engine);
}

/* --- Inside and between engines --------------------------------------------
 */

static uint64_t inner_calls, inner_boxed, boxed_calls; /* loops */

static void handle_inner(ob_request *request, void *input, size_t size,
                         void *user) {
  CHECK(ob_engine_current() == user && size == 0 && input == NULL);
  inner_calls++;
  inner_boxed += (uint64_t)is_boxed(request);
  CHECK_EQ(ob_complete(request, 4, ob_result_none()), OB_OK);
}

/* Calls inline on its own loop, and then the other engine's. */
static void handle_outer(ob_request *request, void *input, size_t size,
                         void *user) {
  ob_engine *self = ob_request_engine(request), *other = user;
  ob_call_opts opts = test_call(handle_inner, self);
  unsigned char first = *(unsigned char *)input, own = first;
  int i;
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_call(self, &opts, NULL), 4);
  opts.user = other;
  for (i = 0; i < 24; i++) CHECK_EQ(ob_call(other, &opts, NULL), 4);
  /* Neither touched this call. */
  CHECK(ob_request_engine(request) == self);
  CHECK(size == 1 && *(unsigned char *)input == first);
  boxed_calls += (uint64_t)is_boxed(request);
  CHECK_EQ(ob_complete(request, own, ob_result_copy(&own, 1)), OB_OK);
}

TEST(calls_inline_and_to_another_engine) {
  ob_engine *a = test_engine(patient), *b = test_engine(patient);
  uint64_t rounds = test_ops(5000), i;
  for (i = 0; i < rounds; i++) {
    ob_call_opts opts = test_call(handle_outer, b);
    unsigned char input = (unsigned char)(i % 200);
    ob_result result;
    opts.input = &input;
    opts.input_size = 1;
    opts.flags = OB_CALL_SYNC | (i % 2 ? OB_CALL_COPY : 0);
    CHECK_EQ(ob_call(a, &opts, &result), input);
    CHECK_EQ(*(const unsigned char *)ob_result_data(&result), input);
  }
  test_stop(a);
  test_stop(b);
  CHECK_EQ(inner_calls, rounds * 25);
  CHECK(boxed_calls > 0 && inner_boxed > 0);
}

/* --- The flag ---------------------------------------------------------------
 */

TEST(unknown_flags_are_refused) {
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_inner, engine);
  int bit;
  for (bit = 5; bit < 32; bit++) {
    opts.flags = OB_CALL_SYNC | OB_CALL_COPY | 1u << bit;
    CHECK_FAILS(ob_call(engine, &opts, NULL), OB_EINVAL, "unknown bits");
    CHECK_FAILS(ob_submit(NULL, engine, &opts), OB_EINVAL, "unknown bits");
  }
  CHECK_EQ(inner_calls, 0);
  test_stop(engine);
}

static uint64_t passed_on; /* loop */
static void handle_pointer(ob_request *request, void *input, size_t size,
                           void *user) {
  CHECK(input == user);
  CHECK(size == 0 || size == sizeof passed_on);
  passed_on += (uint64_t)is_boxed(request);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_borrow(input, size)), OB_OK);
}

/* An empty input's pointer is passed on; a borrowed input is not copied. */
TEST(what_the_flag_does_not_copy) {
  static void *const inputs[] = {NULL, &passed_on};
  ob_engine *engine = pinned_engine(patient);
  int i;
  for (i = 0; i < 3000; i++) {
    ob_call_opts opts = test_call(handle_pointer, inputs[i % 2]);
    ob_result result;
    opts.input = opts.user;
    opts.flags = OB_CALL_SYNC | OB_CALL_COPY;
    if (i % 4 == 3) {
      opts.input_size = sizeof passed_on;
      opts.flags |= OB_CALL_BORROW;
    }
    CHECK_EQ(ob_call(engine, &opts, &result), OB_OK);
    CHECK(ob_result_data(&result) == opts.user);
  }
  test_stop(engine);
  CHECK(passed_on > 0);
}
