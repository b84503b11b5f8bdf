/* Workloads in which each caller blocks for its answer: sync, sparse, payload,
 * offload. Every answer is checked and every call is timed; in a closed loop
 * the end of one call is the beginning of the next, which costs one look at the
 * clock per call. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver.h"

static void check(worker *w, int answer) {
  if (answer != w->x + 1) bench_fail("a call came back with a wrong answer");
  w->x = (w->x + 1) & 0xffff;
}

static inline void closed_loop(worker *w, int (*call)(worker *)) {
  uint64_t last = now_ns(), now;
  while (running()) {
    check(w, call(w));
    now = now_ns();
    hist_add(&w->hist, now - last);
    last = now;
    w->ops++;
  }
}

static int call_sync(worker *w) {
  return bench_subject.sync(subject_of(w), w->x);
}

void sync_body(worker *w) {
  closed_loop(w, call_sync);
}

int has_sync(void) {
  return HAS(sync);
}

void run_sync(outcome *out) {
  start_subjects();
  workers_run(sync_body, NULL, out);
  stop_subjects();
}

static void sleep_until(uint64_t ns) {
  struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) != 0) {
  }
}

/* A call on every tick of the period; ticks that a slow call missed are left
 * out. */
static void sparse_body(worker *w) {
  uint64_t period = (uint64_t)opt.period_ns, due = now_ns() + period, begin;
  while (running()) {
    sleep_until(due);
    begin = now_ns();
    check(w, call_sync(w));
    hist_add(&w->hist, now_ns() - begin);
    w->ops++;
    due += period;
    if (due < now_ns()) due = now_ns() + period;
  }
}

void run_sparse(outcome *out) {
  if (opt.period_ns <= 0) bench_fail("period_ns must be above 0");
  start_subject();
  workers_run(sparse_body, NULL, out);
  stop_subject();
}

static int call_offload(worker *w) {
  return bench_subject.offload(shared.subject, w->x);
}

static void offload_body(worker *w) {
  closed_loop(w, call_offload);
}

int has_offload(void) {
  return HAS(offload);
}

void run_offload(outcome *out) {
  start_subject();
  workers_run(offload_body, NULL, out);
  stop_subject();
}

static void *payload_data(worker *w) {
  size_t size = (size_t)opt.payload;
  if (w->scratch == NULL) w->scratch = calloc(1, size + 1);
  if (w->scratch == NULL) bench_fail("no memory for a payload");
  if (size >= sizeof w->x) memcpy(w->scratch, &w->x, sizeof w->x);
  return w->scratch;
}

/* Bytes handed over come back in the same buffer, which is used again. */
static int call_payload(worker *w) {
  bench_blob blob = {0};
  int answer = w->x + 1;
  bench_subject.payload(shared.subject, payload_data(w), (size_t)opt.payload,
                        opt.handed, &blob);
  if (blob.size != (size_t)opt.payload)
    bench_fail("a payload came back with another size");
  if (blob.size >= sizeof answer) memcpy(&answer, blob.data, sizeof answer);
  if (blob.release != NULL)
    blob.release(&blob);
  else if (!opt.handed)
    free(blob.data);
  return answer;
}

static void payload_body(worker *w) {
  closed_loop(w, call_payload);
}

int has_payload(void) {
  return HAS(payload);
}

void run_payload(outcome *out) {
  start_subject();
  workers_run(payload_body, NULL, out);
  stop_subject();
}
