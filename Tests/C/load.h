/* A host at work: threads that call, submit, wait, post and offload on two
 * engines, with timers running, and threads that come and go. Every answer is
 * checked, and none may be lost. */
#ifndef LOAD_H
#define LOAD_H

#include "probe.h"

typedef struct load {
  ob_engine *fails, *restarts; /* by policy */
  int quit, running;
  uint64_t answers; /* atomic: each was checked */
} load;

static inline void handle_add(ob_request *request, void *input, size_t size,
                              void *user) {
  int answer;
  (void)size;
  (void)user;
  memcpy(&answer, input, sizeof answer);
  answer++;
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_copy(&answer, sizeof answer)),
           OB_OK);
}

static inline void check_sum(ob_result *result, int wanted) {
  int got = 0;
  CHECK_EQ(result->size, sizeof got);
  memcpy(&got, ob_result_data(result), sizeof got);
  ob_result_free(result);
  CHECK_EQ(got, wanted);
}

static inline void call_with(ob_engine *engine, uint32_t flags,
                             uint64_t deadline) {
  int input = 4711;
  ob_call_opts opts = test_call(handle_add, NULL);
  ob_result result;
  opts.input = &input;
  opts.input_size = sizeof input;
  opts.flags = flags;
  opts.deadline_ns = deadline;
  CHECK_EQ(ob_call(engine, &opts, &result), OB_OK);
  check_sum(&result, input + 1);
}

/* --- The parent's threads --------------------------------------------------
 */

static inline void count_answer(load *l) {
  __atomic_add_fetch(&l->answers, 1, __ATOMIC_RELAXED);
}

static inline void *call_both(void *arg) {
  load *l = arg;
  add(&l->running);
  for (unsigned i = 0; !get(&l->quit); i++) {
    call_with(i % 2 ? l->fails : l->restarts, i % 3 ? OB_CALL_SYNC : 0,
              i % 5 ? OB_FOREVER : 60 * S);
    count_answer(l);
  }
  return NULL;
}

static inline void *call_pool(void *arg) {
  load *l = arg;
  add(&l->running);
  for (unsigned i = 0; !get(&l->quit); i++) {
    call_with(i % 2 ? l->fails : l->restarts, OB_CALL_OFFLOAD, OB_FOREVER);
    count_answer(l);
  }
  return NULL;
}

static inline void load_posted(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  count_answer(arg);
}

/* Tickets by the dozen, waited for in turn, and posts between them. */
static inline void *submit_both(void *arg) {
  load *l = arg;
  ob_ticket *tickets[12];
  ob_result result;
  int input = 1;
  ob_call_opts opts = test_call(handle_add, NULL);
  opts.input = &input;
  opts.input_size = sizeof input;
  add(&l->running);
  for (unsigned i = 0; !get(&l->quit); i++) {
    ob_engine *engine = i % 2 ? l->fails : l->restarts;
    for (int k = 0; k < 12; k++) {
      CHECK_EQ(ob_submit(&tickets[k], engine, &opts), OB_OK);
      CHECK_EQ(ob_post(engine, load_posted, l), OB_OK);
    }
    CHECK_EQ(ob_wait_all(tickets, 12, OB_FOREVER), OB_OK);
    for (int k = 0; k < 12; k++) {
      CHECK_EQ(ob_ticket_wait(tickets[k], OB_FOREVER, &result), OB_OK);
      check_sum(&result, 2);
      ob_ticket_release(tickets[k]);
      count_answer(l);
    }
  }
  return NULL;
}

/* Blocked callers that only the timer ends. */
static inline void *call_late(void *arg) {
  load *l = arg;
  add(&l->running);
  while (!get(&l->quit)) {
    ob_request *kept = NULL;
    ob_call_opts opts = test_call(handle_keep, &kept);
    opts.deadline_ns = 2 * MS;
    CHECK_EQ(ob_call(l->fails, &opts, NULL), OB_ETIMEDOUT);
    flush(l->fails); /* kept is on this stack */
    if (kept != NULL)
      CHECK_EQ(ob_complete(kept, OB_OK, ob_result_none()), OB_ECANCELED);
    count_answer(l);
  }
  return NULL;
}

/* Threads that come, call once and go: records and lanes change hands. */
static inline void *call_once(void *arg) {
  load *l = arg;
  call_with(l->fails, OB_CALL_SYNC, OB_FOREVER);
  call_with(l->restarts, 0, OB_FOREVER);
  return NULL;
}

static inline void *come_and_go(void *arg) {
  load *l = arg;
  add(&l->running);
  while (!get(&l->quit)) {
    test_join(test_thread(call_once, l));
    count_answer(l);
  }
  return NULL;
}

static ob_inspect_opts load_inspect = OB_INSPECT_OPTS_INIT;

static inline void load_watched(ob_engine_opts *opts) {
  opts->inspect = &load_inspect;
}

static inline void load_watched_restarting(ob_engine_opts *opts) {
  opts->inspect = &load_inspect;
  opts->fork_policy = OB_FORK_RESTART;
}

enum { WORKERS = 7 };

static inline void load_begin(load *l, pthread_t *threads) {
  static void *(*const work[WORKERS])(void *) = {
      call_both,   call_both, call_pool,  submit_both,
      submit_both, call_late, come_and_go};
  *l = (load){test_engine(load_watched), test_engine(load_watched_restarting),
              0, 0, 0};
  for (int i = 0; i < WORKERS; i++) threads[i] = test_thread(work[i], l);
  await_count(&l->running, WORKERS, "threads");
}

/* Everything that was accepted has been answered. */
static inline void check_nothing_lost(ob_engine *engine) {
  ob_stats stats = OB_STATS_INIT;
  uint64_t end = test_now() + 20 * S;
  flush(engine);
  do { /* the last caller has its answer a moment before it is counted */
    CHECK(test_now() < end);
    CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  } while (stats.in_flight != 0);
}

static inline void load_end(load *l, pthread_t *threads) {
  set(&l->quit, 1);
  for (int i = 0; i < WORKERS; i++) test_join(threads[i]);
  check_nothing_lost(l->fails);
  check_nothing_lost(l->restarts);
  test_stop(l->fails);
  test_stop(l->restarts);
}

#endif
