/* Inspection of an engine: what is measured and recorded is what was done. */
#include "harness.h"
#include "internal.h"

#define MS UINT64_C(1000000)
#define MOST 4096

static ob_inspect_opts each_call(uint32_t flags) {
  ob_inspect_opts opts = OB_INSPECT_OPTS_INIT;
  opts.flags = flags;
  opts.every = 1;
  opts.record_last = MOST;
  return opts;
}

static ob_engine *inspected(uint32_t flags) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts opts = each_call(flags);
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  return engine;
}

static ob_health health_of(ob_engine *engine) {
  ob_health health = OB_HEALTH_INIT;
  CHECK_EQ(ob_engine_health(engine, &health), OB_OK);
  return health;
}

static ob_call_record records[MOST];

static size_t read_records(ob_engine *engine) {
  size_t count;
  CHECK_EQ(ob_inspect_calls(engine, records, MOST, &count), OB_OK);
  return count;
}

static void handle_status(ob_request *request, void *input, size_t size,
                          void *user) {
  (void)input;
  (void)size;
  ob_complete(request, (int)(intptr_t)user, ob_result_none());
}

static int call_named(ob_engine *engine, const char *name, int status,
                      uint32_t flags) {
  ob_call_opts opts = test_call(handle_status, (void *)(intptr_t)status);
  opts.name = name;
  opts.flags = flags;
  return ob_call(engine, &opts, NULL);
}

static void post_nothing(void *arg, int status) {
  (void)arg;
  (void)status;
}

static void check_record(const ob_call_record *record, const char *name,
                         void (*handler)(void), int status, int pooled) {
  CHECK(strcmp(record->name, name) == 0);
  CHECK_EQ(record->handler, (uintptr_t)handler);
  CHECK_EQ(record->status, status);
  CHECK_EQ(record->weight, 1);
  CHECK(record->enqueued > 0 && record->enqueued <= record->started);
  CHECK(record->started <= record->ended);
  if (record->returned == 0) { /* answered in the pool, before it returned */
    CHECK(pooled);
    return;
  }
  CHECK(record->started <= record->returned);
  CHECK(pooled || record->returned <= record->ended);
}

#define FN(function) ((void (*)(void))(function))

/* By the box, the stack, the record, the lane: one after the other, each. */
TEST(every_kind_of_call_is_recorded) {
  static const uint32_t flags[] = {OB_CALL_SYNC, 0, OB_CALL_OFFLOAD};
  ob_engine *engine = inspected(OB_INSPECT_TIMES | OB_INSPECT_RECORD);
  ob_call_opts opts = test_call(handle_status, (void *)9);
  ob_ticket *ticket;
  size_t count, i;
  int k;
  opts.name = "submitted";
  for (k = 0; k < 120; k++) { /* 40 in a row open the box */
    CHECK_EQ(call_named(engine, "called", k, flags[k / 40]), k);
    /* An answer from elsewhere is recorded when the loop hears of it. */
    while (k >= 80 && read_records(engine) <= (size_t)k) test_sleep_ms(1);
  }
  for (k = 0; k < 4; k++) {
    opts.flags = k & 1 ? OB_CALL_SYNC : 0;
    CHECK_EQ(ob_submit(k & 2 ? &ticket : NULL, engine, &opts), OB_OK);
    if (k & 2) CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 9);
    if (k & 2) ob_ticket_release(ticket);
  }
  CHECK_EQ(ob_post(engine, post_nothing, NULL), OB_OK);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  count = read_records(engine);
  CHECK_EQ(count, 125);
  for (i = 0; i < count; i++) CHECK_EQ(records[i].number, i + 1);
  for (i = 0; i < 120; i++)
    check_record(&records[i], "called", FN(handle_status), (int)i, i >= 80);
  for (i = 120; i < 124; i++)
    check_record(&records[i], "submitted", FN(handle_status), 9, 0);
  check_record(&records[124], "", FN(post_nothing), OB_OK, 0);
  CHECK(records[80].thread != records[0].thread); /* the pool's */
  CHECK_EQ(records[124].thread, records[0].thread);
  CHECK_EQ(health_of(engine).wait.count, 125);
  CHECK_EQ(health_of(engine).run.count, 125);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

static void handle_late(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input, (void)size, (void)user;
  ob_complete(request, OB_OK, ob_result_none());
  test_sleep_ms(50);
}

/* What the pool still does when the loop has ended. */
TEST(a_job_that_returns_after_the_loop) {
  ob_engine *engine = inspected(OB_INSPECT_TIMES | OB_INSPECT_RECORD);
  ob_call_opts opts = test_call(handle_late, NULL);
  opts.flags = OB_CALL_OFFLOAD;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  CHECK_EQ(health_of(engine).run.count, 1);
  CHECK(health_of(engine).run.max_ns >= 50 * MS);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

/* A call that never ran has an outcome, and has waited. */
TEST(outcomes_of_what_never_ran) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts on = each_call(OB_INSPECT_TIMES | OB_INSPECT_RECORD);
  ob_call_opts opts = test_call(handle_status, NULL);
  ob_ticket *cancelled, *late;
  test_blocker blocker;
  size_t count, i;
  test_block_loop(engine, &blocker);
  CHECK_EQ(ob_inspect(engine, &on), OB_OK);
  opts.name = "cancelled";
  CHECK_EQ(ob_submit(&cancelled, engine, &opts), OB_OK);
  opts.name = "late";
  opts.deadline_ns = MS;
  CHECK_EQ(ob_submit(&late, engine, &opts), OB_OK);
  CHECK_EQ(ob_ticket_cancel(cancelled), OB_OK);
  test_sleep_ms(5);
  test_unblock_loop(&blocker);
  CHECK_EQ(ob_ticket_wait(late, OB_FOREVER, NULL), OB_ETIMEDOUT);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  count = read_records(engine);
  CHECK_EQ(count, 2); /* the blocker was handed in before */
  CHECK_EQ(records[0].status, OB_ECANCELED);
  CHECK_EQ(records[1].status, OB_ETIMEDOUT);
  for (i = 0; i < 2; i++) {
    CHECK(records[i].started == 0 && records[i].returned == 0);
    CHECK(records[i].ended - records[i].enqueued >= 5 * MS);
  }
  CHECK_EQ(health_of(engine).wait.count, 2);
  CHECK_EQ(health_of(engine).run.count, 0);
  ob_ticket_release(cancelled);
  ob_ticket_release(late);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

/* --- Times ---------------------------------------------------------------- */

static void handle_busy(ob_request *request, void *input, size_t size,
                        void *user) {
  uint64_t until = test_now() + (uint64_t)(uintptr_t)user;
  (void)input;
  (void)size;
  while (test_now() < until) continue;
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(a_long_handler_makes_others_wait_and_the_loop_late) {
  ob_engine *engine = inspected(OB_INSPECT_TIMES);
  ob_call_opts opts = test_call(handle_busy, (void *)(uintptr_t)(20 * MS));
  ob_health health;
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  CHECK_EQ(call_named(engine, NULL, 3, OB_CALL_SYNC), 3);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  health = health_of(engine);
  CHECK_EQ(health.run.count, 2);
  CHECK(health.run.max_ns >= 20 * MS);
  CHECK(health.lag.max_ns >= 20 * MS);
  CHECK(health.lag.count > 0 && health.lag.p50_ns <= health.lag.max_ns);
  CHECK_EQ(health.wait.count, 2);
  CHECK_EQ(health.state, OB_HEALTH_STOPPED);
  CHECK_EQ(read_records(engine), 0); /* that was not asked for */
  CHECK_EQ(ob_inspect_reset(engine), OB_OK);
  CHECK_EQ(health_of(engine).run.count + health_of(engine).run.max_ns, 0);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

/* A flood is measured in part, and what is measured stands for all. */
TEST(a_flood_is_sampled_and_weighted) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts opts = OB_INSPECT_OPTS_INIT;
  uint64_t posts = test_ops(2e6), i, measured = 0, took;
  size_t count, k;
  ob_health health;
  opts.record_last = MOST;
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  took = test_now();
  for (i = 0; i < posts; i++)
    CHECK_EQ(ob_post(engine, post_nothing, NULL), OB_OK);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  took = test_now() - took;
  health = health_of(engine);
  count = read_records(engine);
  for (k = 0; k < count; k++) measured += records[k].weight;
  printf("  %llu posts, %llu weighted, last record %llu\n",
         (unsigned long long)posts, (unsigned long long)health.run.count,
         (unsigned long long)(count > 0 ? records[count - 1].number : 0));
  /* No more than one in some microseconds, however many there are. */
  CHECK(count > 0 && records[count - 1].number < took / 16384 + 64);
  CHECK(health.run.count > posts / 2 && health.run.count < posts * 2);
  if (count < MOST) CHECK_EQ(measured, health.run.count);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

/* --- Off ------------------------------------------------------------------ */

TEST(off_records_nothing) {
  ob_engine *engine = test_engine(NULL);
  ob_health health;
  int i;
  for (i = 0; i < 100; i++)
    CHECK_EQ(call_named(engine, "x", 1, i & 1 ? OB_CALL_SYNC : 0), 1);
  CHECK(engine->insight == NULL); /* not even memory */
  CHECK_EQ(read_records(engine), 0);
  health = health_of(engine);
  CHECK_EQ(health.run.count + health.wait.count + health.lag.count, 0);
  CHECK_EQ(health.flags, 0);
  CHECK_EQ(health.state, OB_HEALTH_RUNNING);
  CHECK_EQ(health.stats.submitted, 100);
  test_stop(engine);
}

TEST(switching_at_run_time) {
  ob_engine *engine = inspected(OB_INSPECT_RECORD);
  ob_inspect_opts on = each_call(OB_INSPECT_RECORD | OB_INSPECT_TIMES);
  CHECK_EQ(health_of(engine).flags, OB_INSPECT_RECORD);
  CHECK_EQ(call_named(engine, "first", 1, OB_CALL_SYNC), 1);
  CHECK_EQ(health_of(engine).run.count, 0);
  CHECK_EQ(ob_inspect(engine, NULL), OB_OK);
  CHECK_EQ(call_named(engine, "unseen", 1, OB_CALL_SYNC), 1);
  CHECK_EQ(read_records(engine), 1); /* what was recorded stays */
  CHECK_EQ(ob_inspect(engine, &on), OB_OK);
  CHECK_EQ(call_named(engine, "second", 2, OB_CALL_SYNC), 2);
  CHECK_EQ(read_records(engine), 2);
  CHECK(strcmp(records[1].name, "second") == 0);
  CHECK_EQ(health_of(engine).run.count, 1);
  CHECK_EQ(ob_inspect_reset(engine), OB_OK);
  CHECK_EQ(read_records(engine), 0);
  test_stop(engine);
}

static int over;

static void *keep_calling(void *engine) {
  while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
    CHECK_EQ(call_named(engine, "a", 1, OB_CALL_SYNC), 1);
    CHECK_EQ(call_named(engine, "b", 1, 0), 1);
    CHECK_EQ(ob_post(engine, post_nothing, NULL), OB_OK);
  }
  return NULL;
}

TEST(switching_while_calls_are_made) {
  ob_engine *engine = test_engine(NULL);
  uint64_t i, rounds = test_ops(2000);
  pthread_t threads[2];
  for (i = 0; i < 2; i++) threads[i] = test_thread(keep_calling, engine);
  for (i = 0; i < rounds; i++) {
    ob_inspect_opts opts = each_call((uint32_t)i & 7u);
    opts.every = i & 8 ? 0 : 3;
    CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
    read_records(engine);
    health_of(engine);
    if (i % 16 == 0) CHECK_EQ(ob_inspect_reset(engine), OB_OK);
  }
  __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
  for (i = 0; i < 2; i++) test_join(threads[i]);
  test_stop(engine);
}

static void with_inspection(ob_engine_opts *opts) {
  static ob_inspect_opts inspect;
  inspect = each_call(OB_INSPECT_RECORD);
  opts->inspect = &inspect;
}

TEST(on_from_the_start) {
  ob_engine *engine = test_engine(with_inspection);
  CHECK_EQ(call_named(engine, "early", 4, OB_CALL_SYNC), 4);
  CHECK_EQ(read_records(engine), 1);
  test_stop(engine);
}

/* --- Misuse --------------------------------------------------------------- */

static void refused(ob_engine *engine, const ob_inspect_opts *opts,
                    const char *word) {
  CHECK_FAILS(ob_inspect(engine, opts), OB_EINVAL, word);
}

TEST(misuse_of_switching) {
  ob_engine *engine = test_engine(NULL), *none;
  ob_inspect_opts opts = OB_INSPECT_OPTS_INIT;
  ob_engine_opts start = OB_ENGINE_OPTS_INIT;
  refused(NULL, &opts, "engine is NULL");
  opts.size = 8;
  refused(engine, &opts, "OB_INSPECT_OPTS_INIT");
  opts = (ob_inspect_opts)OB_INSPECT_OPTS_INIT;
  opts.flags = 8;
  refused(engine, &opts, "flags");
  start.inspect = &opts;
  CHECK_FAILS(ob_engine_start(&none, &start), OB_EINVAL, "flags");
  CHECK(none == NULL);
  opts = (ob_inspect_opts)OB_INSPECT_OPTS_INIT;
  opts.record_last = 0;
  refused(engine, &opts, "record_last");
  opts.record_last = 65537;
  refused(engine, &opts, "record_last");
  opts = (ob_inspect_opts)OB_INSPECT_OPTS_INIT;
  opts.stall_ns = MS - 1;
  refused(engine, &opts, "stall_ns");
  opts = (ob_inspect_opts)OB_INSPECT_OPTS_INIT;
  opts.every = (1u << 20) + 1;
  refused(engine, &opts, "every");
  CHECK_EQ(health_of(engine).flags, 0); /* nothing has changed */
  opts = each_call(OB_INSPECT_RECORD);
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  opts.record_last = 5;
  CHECK_FAILS(ob_inspect(engine, &opts), OB_EBUSY, "4096");
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  opts.record_last = MOST;
  CHECK_FAILS(ob_inspect(engine, &opts), OB_ESHUTDOWN, "stop");
  CHECK_EQ(ob_inspect(engine, NULL), OB_OK);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

TEST(misuse_of_looking) {
  ob_engine *engine = test_engine(NULL);
  ob_health health = OB_HEALTH_INIT;
  ob_stall stall = OB_STALL_INIT;
  size_t count = 7;
  CHECK_FAILS(ob_engine_health(NULL, &health), OB_EINVAL, "engine");
  CHECK_FAILS(ob_engine_health(engine, NULL), OB_EINVAL, "out");
  health.size = 1;
  CHECK_FAILS(ob_engine_health(engine, &health), OB_EINVAL, "OB_HEALTH_INIT");
  CHECK_FAILS(ob_engine_health_json(NULL, NULL, 0), OB_EINVAL, "engine");
  CHECK_FAILS(ob_engine_health_json(engine, NULL, 9), OB_EINVAL, "buffer");
  CHECK_FAILS(ob_inspect_trace_json(NULL, NULL, 0), OB_EINVAL, "engine");
  CHECK_FAILS(ob_inspect_trace_json(engine, NULL, 9), OB_EINVAL, "buffer");
  CHECK_FAILS(ob_inspect_stall(NULL, &stall), OB_EINVAL, "engine");
  CHECK_FAILS(ob_inspect_stall(engine, NULL), OB_EINVAL, "out");
  CHECK_FAILS(ob_inspect_stall(engine, &stall), OB_EAGAIN, "not stalled");
  stall.size = 0;
  CHECK_FAILS(ob_inspect_stall(engine, &stall), OB_EINVAL, "OB_STALL_INIT");
  CHECK_FAILS(ob_inspect_calls(NULL, records, 1, &count), OB_EINVAL, "engine");
  CHECK_EQ(count, 0);
  CHECK_FAILS(ob_inspect_calls(engine, NULL, 1, &count), OB_EINVAL, "out");
  CHECK_FAILS(ob_inspect_calls(engine, records, 1, NULL), OB_EINVAL, "count");
  CHECK_FAILS(ob_inspect_reset(NULL), OB_EINVAL, "engine");
  CHECK_EQ(ob_inspect_reset(engine), OB_OK);
  test_stop(engine);
}
