/* A queue alone: producers push as fast as they can, one consumer pops, nobody
 * sleeps. in_flight bounds each producer, so that memory does not. */
#include <sched.h>

#include "driver.h"

#define QUEUE_WINDOW 16384

static int consumer_stop; /* atomic */
static pthread_t consumer_thread;

int has_queue(void) {
  return HAS(push) && HAS(pop);
}

static void *consumer(void *arg) {
  int empty = 0;
  (void)arg;
  pin_to(SIDE_LOOP, 0);
  for (;;) {
    worker *w = bench_subject.pop(shared.subject);
    if (w != NULL) {
      empty = 0;
      __atomic_store_n(&w->finished, w->finished + 1, __ATOMIC_RELEASE);
    } else if (__atomic_load_n(&consumer_stop, __ATOMIC_RELAXED)) {
      return NULL;
    } else if (empty++ < 100) {
      pause_cpu();
    } else {
      sched_yield();
    }
  }
}

static uint64_t finished(const worker *w) {
  return __atomic_load_n(&w->finished, __ATOMIC_ACQUIRE);
}

static void push_body(worker *w) {
  uint64_t limit = (uint64_t)opt.in_flight, seen = finished(w);
  int spins;
  while (running()) {
    for (spins = 0; w->sent - seen >= limit; seen = finished(w)) {
      if (spins++ < 100)
        pause_cpu();
      else
        sched_yield();
    }
    bench_subject.push(shared.subject, w);
    w->sent++;
    w->ops++;
  }
}

static void settle(void) {
  int i;
  for (i = 0; i < opt.producers; i++)
    while (finished(&workers[i]) != workers[i].sent) nap(0.00002);
}

void run_queue(outcome *out) {
  if (opt.in_flight <= 0) opt.in_flight = QUEUE_WINDOW;
  start_subject();
  if (pthread_create(&consumer_thread, NULL, consumer, NULL) != 0)
    bench_fail("cannot start the consumer");
  workers_run(push_body, settle, out);
  __atomic_store_n(&consumer_stop, 1, __ATOMIC_RELAXED);
  pthread_join(consumer_thread, NULL);
  stop_subject();
}
