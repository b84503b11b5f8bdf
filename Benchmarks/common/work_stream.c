/* Workloads in which producers do not block for answers: post and pipelined. A
 * producer whose window is full spins briefly, then yields its CPU, the same
 * for every system. The clock stops when the last has run. */
#include <sched.h>

#include "driver.h"

#define BATCH 64         /* posts between looks at the clock */
#define SAFETY 5000000   /* an open window still ends before memory does */
#define SAMPLE_EVERY 64u /* a pipelined submission is timed */

static uint64_t finished(const worker *w) {
  return __atomic_load_n(&w->finished, __ATOMIC_ACQUIRE);
}

/* Waits until fewer than limit of sent are outstanding. */
static void wait_for_room(worker *w, uint64_t sent, uint64_t limit) {
  int spins = 0;
  while (sent - finished(w) >= limit) {
    if (spins++ < 100)
      pause_cpu();
    else
      sched_yield();
  }
}

static uint64_t window(void) {
  return opt.in_flight > 0 ? (uint64_t)opt.in_flight : SAFETY;
}

static void post_body(worker *w) {
  uint64_t limit = window(), sent = w->sent, seen = finished(w);
  int i;
  while (running()) {
    for (i = 0; i < BATCH; i++) {
      if (sent - seen >= limit) {
        wait_for_room(w, sent, limit);
        seen = finished(w);
      }
      bench_subject.post(shared.subject, &w->finished);
      sent++;
    }
    w->ops += BATCH;
  }
  w->sent = sent;
}

static void settle_posts(void) {
  int i;
  for (i = 0; i < opt.producers; i++)
    while (finished(&workers[i]) != workers[i].sent) nap(0.00002);
}

int has_post(void) {
  return HAS(post);
}

void run_post(outcome *out) {
  start_subject();
  workers_run(post_body, settle_posts, out);
  stop_subject();
}

/* --- Pipelined --------------------------------------------------------------
 */

static void add(uint64_t *sum, uint64_t value) {
  if (bench_subject.flags & BENCH_PARALLEL)
    __atomic_fetch_add(sum, value, __ATOMIC_RELAXED);
  else
    *sum += value;
}

static void on_done(void *arg, int answer) {
  worker *w = arg;
  add(&w->answered, (uint64_t)answer);
  bench_count(&w->finished);
}

static void on_timed(void *arg, int answer) {
  worker *w = arg;
  hist_add(&w->hist, now_ns() - w->sampled);
  __atomic_store_n(&w->sampled, 0, __ATOMIC_RELEASE);
  on_done(arg, answer);
}

/* One sample is under way at most: its histogram has one writer. */
static void submit_one(worker *w, uint64_t sent) {
  bench_done done = on_done;
  if (sent % SAMPLE_EVERY == 0 &&
      __atomic_load_n(&w->sampled, __ATOMIC_ACQUIRE) == 0) {
    w->sampled = now_ns();
    done = on_timed;
  }
  bench_subject.submit(shared.subject, w->x, done, w);
  w->asked += (uint64_t)w->x + 1;
  w->x = (w->x + 1) & 0xffff;
}

static void pipelined_body(worker *w) {
  uint64_t limit = window(), sent = w->sent, seen = finished(w);
  while (running()) {
    if (sent - seen >= limit) {
      wait_for_room(w, sent, limit);
      seen = finished(w);
    }
    submit_one(w, sent++);
    w->ops++;
  }
  w->sent = sent;
}

static void settle_pipelined(void) {
  int i;
  settle_posts();
  for (i = 0; i < opt.producers; i++)
    if (workers[i].answered != workers[i].asked)
      bench_fail("a submission's answer is wrong");
}

int has_submit(void) {
  return HAS(submit);
}

void run_pipelined(outcome *out) {
  if (opt.in_flight <= 0) opt.in_flight = 1024;
  start_subject();
  workers_run(pipelined_body, settle_pipelined, out);
  stop_subject();
}
