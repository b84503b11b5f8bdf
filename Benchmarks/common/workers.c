/* Threads that do a workload's work, and what they add up to.
 *
 * A worker runs its body twice, to warm up and to be measured, with a stop in
 * between at which everything under way ends, so that nothing of the warm-up is
 * counted and threads keep what they have learned (lanes, credits, caches). */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

worker workers[MAX_WORKERS];
quiet shared;

static pthread_barrier_t barrier;

typedef struct plan {
  void (*body)(worker *);
} plan;

static plan current;

int running(void) {
  return __atomic_load_n(&shared.go, __ATOMIC_RELAXED);
}

int bench_handle(int x) {
  if (opt.handler_ns != 0) busy_for(opt.handler_ns);
  return x + 1;
}

void bench_count(uint64_t *count) {
  if (bench_subject.flags & BENCH_PARALLEL)
    __atomic_fetch_add(count, 1, __ATOMIC_RELEASE);
  else
    __atomic_store_n(count, *count + 1, __ATOMIC_RELEASE);
}

void bench_touch(void *data, size_t size) {
  int first;
  if (size < sizeof first) return;
  memcpy(&first, data, sizeof first);
  first++;
  memcpy(data, &first, sizeof first);
}

void bench_fail(const char *cause) {
  fprintf(stderr, "%s: %s\n", bench_subject.name, cause);
  exit(1);
}

static void start_nth(int engine) {
  pin_to(SIDE_LOOP, engine);
  shared.subject = bench_subject.start();
  pin_to(SIDE_CALLER, engine);
}

void start_subject(void) {
  start_nth(0);
}

void start_subjects(void) {
  int i;
  for (i = 0; i < opt.engines; i++) {
    start_nth(i);
    shared.subjects[i] = shared.subject;
  }
}

void *subject_of(const worker *w) {
  return opt.engines == 1 ? shared.subject
                          : shared.subjects[w->index % opt.engines];
}

void stop_subjects(void) {
  int i;
  for (i = 0; i < opt.engines; i++) bench_subject.stop(shared.subjects[i]);
}

void stop_subject(void) {
  bench_subject.stop(shared.subject);
}

static void forget(worker *w) {
  w->warm_ops = w->ops;
  w->ops = 0;
  memset(&w->hist, 0, sizeof w->hist);
}

static void *worker_main(void *arg) {
  worker *w = arg;
  pin_to(SIDE_CALLER, w->index % opt.engines);
  pthread_barrier_wait(&barrier);
  current.body(w);
  pthread_barrier_wait(&barrier); /* warm-up over; the main thread settles */
  pthread_barrier_wait(&barrier);
  forget(w);
  pthread_barrier_wait(&barrier);
  current.body(w);
  return NULL;
}

static void start_workers(void) {
  int i;
  for (i = 0; i < opt.producers; i++) {
    workers[i].index = i;
    if (pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]) != 0)
      bench_fail("cannot start a caller: no more threads; fewer producers");
  }
}

static void phase(double seconds) {
  nap(seconds);
  __atomic_store_n(&shared.go, 0, __ATOMIC_RELAXED);
}

static double warm_up(void) {
  double seconds = opt.seconds / 5;
  return seconds > 0.2 ? 0.2 : seconds;
}

void workers_run(void (*body)(worker *), void (*settle)(void), outcome *out) {
  uint64_t begin, end;
  usage before;
  int i;
  current.body = body;
  pthread_barrier_init(&barrier, NULL, (unsigned)opt.producers + 1);
  start_workers();
  __atomic_store_n(&shared.go, 1, __ATOMIC_RELAXED);
  pthread_barrier_wait(&barrier);
  phase(warm_up());
  pthread_barrier_wait(&barrier);
  if (settle != NULL) settle();
  pthread_barrier_wait(&barrier);
  __atomic_store_n(&shared.go, 1, __ATOMIC_RELAXED);
  before = usage_now();
  begin = now_ns();
  pthread_barrier_wait(&barrier);
  phase(opt.seconds);
  end = now_ns();
  for (i = 0; i < opt.producers; i++) pthread_join(workers[i].thread, NULL);
  if (settle != NULL) {
    settle();
    end = now_ns();
  }
  out->used = usage_since(&before);
  workers_collect(out, (double)(end - begin) / 1e9);
}

void workers_collect(outcome *out, double seconds) {
  uint64_t least = UINT64_MAX;
  int i;
  out->seconds = seconds;
  for (i = 0; i < opt.producers; i++) {
    out->ops += workers[i].ops;
    out->ops_all += workers[i].ops + workers[i].warm_ops;
    if (workers[i].ops < least) least = workers[i].ops;
    hist_merge(&out->hist, &workers[i].hist);
  }
  if (out->ops != 0)
    out->fairness = (double)least * opt.producers / (double)out->ops;
}
