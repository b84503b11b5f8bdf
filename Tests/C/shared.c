/* The shared engine: 32 threads that race for it get one engine from one start,
 * or one failure each, and after that the next call tries again. */
#include "probe.h"

enum { THREADS = 32 };

typedef struct race {
  ob_engine_opts opts;
  pthread_barrier_t barrier;
  int status, starts; /* what the hook answers, how often it ran */
} race;

typedef struct racer {
  race *race;
  ob_engine *engine;
  int rc;
  char detail[64];
} racer;

static void on_start(ob_engine *engine, ob_start_token *token, void *user) {
  race *r = user;
  ob_engine *other = engine;
  CHECK(ob_engine_current() == engine);
  CHECK_FAILS(ob_engine_shared(&other, NULL), OB_EDEADLK, "loop thread");
  CHECK(other == NULL);
  add(&r->starts);
  test_sleep_ms(10); /* so that the others come while this start is under way */
  ob_start_done(token, r->status, "no such luck");
}

static void *run_racer(void *arg) {
  racer *me = arg;
  pthread_barrier_wait(&me->race->barrier);
  me->rc = ob_engine_shared(&me->engine, &me->race->opts);
  strncpy(me->detail, ob_last_error_detail(), sizeof me->detail - 1);
  return NULL;
}

static void run_race(race *r, racer *racers) {
  pthread_t threads[THREADS];
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  r->opts = opts;
  r->opts.on_start = on_start;
  r->opts.user = r;
  r->starts = 0;
  CHECK(pthread_barrier_init(&r->barrier, NULL, THREADS) == 0);
  for (int i = 0; i < THREADS; i++) {
    racers[i] = (racer){r, (ob_engine *)r, 1, ""};
    threads[i] = test_thread(run_racer, &racers[i]);
  }
  for (int i = 0; i < THREADS; i++) test_join(threads[i]);
  pthread_barrier_destroy(&r->barrier);
}

TEST(one_start_for_32_threads) {
  rest before = measure_rest();
  int rounds = (int)test_ops(30);
  while (rounds-- > 0) {
    race r = {.status = OB_OK};
    racer racers[THREADS];
    ob_engine *again;
    run_race(&r, racers);
    CHECK_EQ(r.starts, 1);
    for (int i = 0; i < THREADS; i++) {
      CHECK_EQ(racers[i].rc, OB_OK);
      CHECK(racers[i].engine == racers[0].engine);
    }
    CHECK_EQ(ob_engine_shared(&again, NULL), OB_OK);
    CHECK(again == racers[0].engine);
    flush(again);
    test_stop(again);
    check_at_rest(&before);
  }
}

TEST(a_failed_start_fails_for_all_and_is_tried_again) {
  rest before = measure_rest();
  int rounds = (int)test_ops(30);
  while (rounds-- > 0) {
    race r = {.status = OB_ESYSTEM};
    racer racers[THREADS];
    ob_engine *engine;
    run_race(&r, racers);
    CHECK(r.starts >= 1 && r.starts <= THREADS);
    for (int i = 0; i < THREADS; i++) {
      CHECK_EQ(racers[i].rc, OB_ESTART);
      CHECK(racers[i].engine == NULL);
      CHECK(strcmp(racers[i].detail, "no such luck") == 0);
    }
    check_at_rest(&before);
    CHECK_EQ(ob_engine_shared(&engine, NULL), OB_OK);
    test_stop(engine);
  }
}

TEST(a_stopped_one_is_refused_until_it_is_destroyed) {
  ob_engine *engine, *other = (ob_engine *)&other;
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(ob_engine_shared(&engine, NULL), OB_OK);
    CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
    CHECK_FAILS(ob_engine_shared(&other, NULL), OB_ESHUTDOWN, "destroy");
    CHECK(other == NULL);
    CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  }
}

TEST(bad_options_leave_nothing_behind) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  ob_engine *engine = (ob_engine *)&engine;
  CHECK_FAILS(ob_engine_shared(NULL, NULL), OB_EINVAL, "out");
  opts.queue_limit = 0;
  CHECK_FAILS(ob_engine_shared(&engine, &opts), OB_EINVAL, "queue_limit");
  CHECK(engine == NULL);
  CHECK_EQ(ob_engine_shared(&engine, NULL), OB_OK);
  CHECK_EQ(ob_engine_shared(&engine, &opts), OB_OK); /* later ones: ignored */
  flush(engine);
  test_stop(engine);
}

/* Another engine's loop thread may ask for it, too. */
static void handle_shared(ob_request *request, void *input, size_t size,
                          void *user) {
  (void)input;
  (void)size;
  ob_complete(request, ob_engine_shared(user, NULL), ob_result_none());
}

TEST(another_loop_may_start_it) {
  ob_engine *engine = test_engine(NULL), *shared;
  ob_call_opts opts = test_call(handle_shared, &shared);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  flush(shared);
  test_stop(shared);
  test_stop(engine);
}
