/* Hops (outboard_spi.h): what a Swift task awaits. Each ends once, whoever ends
 * it: the loop, a cancel, a refusal; the awaiter is told once, by itself or by
 * one other; a body that was cancelled in time never runs. */
#include "outboard_spi.h"
#include "probe.h"

typedef struct hop_test {
  ob_hop hop; /* first */
  ob_engine *engine;
  int n;
  int told;     /* atomic: resumed by loop or canceller, or found by watching */
  int ran;      /* loop, before the end */
  int released; /* atomic */
  int started;  /* atomic: submitted, a cancel may come */
  int cancelled_early;
  int answer;
} hop_test;

static void body(ob_hop *hop) {
  hop_test *t = (hop_test *)hop;
  CHECK(ob_engine_current() == t->engine);
  CHECK_EQ(t->ran, 0);
  t->ran = 1;
  t->answer = t->n * 7 + 1;
}

static void resume(ob_hop *hop) {
  add(&((hop_test *)hop)->told);
}

static void release(ob_hop *hop) {
  CHECK(ob_engine_current() != NULL);
  add(&((hop_test *)hop)->released);
}

static hop_test *make(ob_engine *engine, int n) {
  hop_test *t = calloc(1, sizeof *t);
  CHECK(t != NULL);
  t->engine = engine;
  t->n = n;
  t->hop.name = "hop";
  t->hop.owner = t;
  t->hop.body = body;
  t->hop.resume = resume;
  t->hop.release = release;
  ob_spi_hop_init(&t->hop);
  return t;
}

static void await(const int *flag) {
  uint64_t end = test_now() + 20 * S;
  while (get(flag) == 0) {
    CHECK(test_now() < end);
    sched_yield();
  }
}

/* As the Swift layer does it. */
static void run(hop_test *t) {
  int watched, rc = ob_spi_hop_submit(t->engine, &t->hop);
  if (rc != OB_OK) {
    CHECK_EQ(rc, OB_ECANCELED); /* before it was submitted */
    add(&t->told);
    add(&t->released);
    CHECK_EQ(ob_spi_hop_status(&t->hop), OB_ECANCELED);
    return;
  }
  watched = ob_spi_hop_watch(t->engine, &t->hop);
  CHECK(watched >= 0 && watched <= 2);
  if (watched > 0 || ob_spi_hop_leave(&t->hop)) add(&t->told);
  await(&t->told);
}

/* The end: told once, released once, and a body ran if and only if it says so.
 */
static int finish(hop_test *t) {
  int status = ob_spi_hop_status(&t->hop);
  await(&t->released);
  CHECK_EQ(get(&t->told), 1);
  CHECK_EQ(get(&t->released), 1);
  CHECK(status == OB_OK || status == OB_ECANCELED || status == OB_ESHUTDOWN);
  CHECK_EQ(t->ran, status == OB_OK);
  if (status == OB_OK) CHECK_EQ(t->answer, t->n * 7 + 1);
  free(t);
  return status;
}

static void pause_a_while(uint64_t *seed, unsigned most) {
  for (uint64_t i = test_random(seed) % most; i > 0; i--)
    __asm__ volatile("" ::: "memory");
}

TEST(ends_with_its_answer) {
  ob_engine *engine = test_engine(NULL);
  uint64_t seed = test_seed();
  int n, count = (int)test_ops(200000);
  for (n = 0; n < count; n++) {
    hop_test *t = make(engine, n);
    pause_a_while(&seed, 4000);
    run(t);
    CHECK_EQ(finish(t), OB_OK);
  }
  test_stop(engine);
}

/* --- Cancelled at any time --- */

static hop_test *offered; /* atomic: to the canceller; NULL: take another */
static int over;

static void *cancel_main(void *arg) {
  uint64_t seed = test_seed() + 1;
  (void)arg;
  while (!get(&over)) {
    hop_test *t = __atomic_load_n(&offered, __ATOMIC_ACQUIRE);
    if (t == NULL) {
      sched_yield();
      continue;
    }
    pause_a_while(&seed, 1500);
    if (ob_spi_hop_cancel(&t->hop)) add(&t->told); /* we resume it */
    CHECK_EQ(ob_spi_hop_cancel(&t->hop), 0);
    CHECK_EQ(ob_spi_hop_cancelled(&t->hop) || t->hop.engine == NULL, 1);
    __atomic_store_n(&offered, NULL, __ATOMIC_RELEASE);
  }
  return NULL;
}

TEST(cancelled_at_any_time) {
  ob_engine *engine = test_engine(NULL);
  uint64_t seed = test_seed();
  int n, count = (int)test_ops(50000), answered = 0, cancelled = 0;
  pthread_t canceller;
  set(&over, 0);
  CHECK_EQ(pthread_create(&canceller, NULL, cancel_main, NULL), 0);
  for (n = 0; n < count; n++) {
    hop_test *t = make(engine, n);
    t->hop.engine = engine; /* cancelled() may be asked before the submission */
    __atomic_store_n(&offered, t, __ATOMIC_RELEASE);
    pause_a_while(&seed, 1500);
    while (n % 512 == 0 && __atomic_load_n(&offered, __ATOMIC_ACQUIRE) != NULL)
      sched_yield(); /* cancelled before, on however busy a machine */
    run(t);
    while (__atomic_load_n(&offered, __ATOMIC_ACQUIRE) != NULL) sched_yield();
    if (finish(t) == OB_OK)
      answered++;
    else
      cancelled++;
  }
  set(&over, 1);
  CHECK_EQ(pthread_join(canceller, NULL), 0);
  printf("  %d answered, %d cancelled\n", answered, cancelled);
  CHECK(answered > 0 && cancelled > 0);
  test_stop(engine);
}

/* --- Order, limit, stop --- */

static int posted; /* loop */

static void count_post(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  CHECK_EQ((int)(intptr_t)arg, posted);
  posted++;
}

static void see_posts(ob_hop *hop) {
  hop_test *t = (hop_test *)hop;
  CHECK_EQ(posted, t->n);
  body(hop);
}

TEST(keeps_the_order_of_its_thread) {
  ob_engine *engine = test_engine(NULL);
  uint64_t seed = test_seed();
  int n = 0, rounds = (int)test_ops(50000);
  posted = 0;
  while (rounds-- > 0) {
    hop_test *t;
    int burst = (int)(test_random(&seed) % 4);
    for (; burst > 0; burst--, n++)
      CHECK_EQ(ob_post(engine, count_post, (void *)(intptr_t)n), OB_OK);
    t = make(engine, n);
    t->hop.body = see_posts;
    run(t);
    CHECK_EQ(finish(t), OB_OK);
  }
  test_stop(engine);
}

static int held, let_go;

static void hold(void *arg, int status) {
  (void)arg, (void)status;
  set(&held, 1);
  while (!get(&let_go)) sched_yield();
}

/* Refused for want of room it may be handed in again; a stop ends what waits.
 */
TEST(is_refused_when_full_and_ended_by_a_stop) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  hop_test *queued[3], *refused;
  ob_engine *engine;
  int i;
  opts.queue_limit = 4;
  set(&held, 0);
  set(&let_go, 0);
  CHECK_EQ(ob_engine_start(&engine, &opts), OB_OK);
  CHECK_EQ(ob_post(engine, hold, NULL), OB_OK);
  await(&held);
  for (i = 0; i < 3; i++) {
    queued[i] = make(engine, i);
    CHECK_EQ(ob_spi_hop_submit(engine, &queued[i]->hop), OB_OK);
    CHECK_EQ(ob_spi_hop_watch(engine, &queued[i]->hop), 0);
    CHECK_EQ(ob_spi_hop_leave(&queued[i]->hop), 0);
  }
  refused = make(engine, 3); /* the post that runs is the fourth */
  CHECK_FAILS(ob_spi_hop_submit(engine, &refused->hop), OB_EAGAIN, "limit");
  CHECK_FAILS(ob_spi_hop_submit(engine, &refused->hop), OB_EAGAIN, "limit");
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 0), OB_ETIMEDOUT);
  set(&let_go, 1);
  for (i = 0; i < 3; i++) {
    await(&queued[i]->told);
    CHECK_EQ(finish(queued[i]), OB_ESHUTDOWN);
  }
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, OB_FOREVER), OB_OK);
  CHECK_EQ(ob_spi_hop_submit(engine, &refused->hop), OB_ESHUTDOWN);
  CHECK_EQ(refused->ran + refused->released + refused->told, 0);
  free(refused);
  test_stop(engine);
}
