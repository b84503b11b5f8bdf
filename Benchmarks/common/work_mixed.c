/* A mixed day: synchronous callers in a closed loop beside a fixed load of
 * everything else. Every millisecond one thread posts 100 times, submits 10
 * times, and arms and cancels 10 timers on the loop; TCP clients are echoed.
 * The line's operations are the calls; late_ms counts milliseconds of the load
 * that came too late to be offered in time. */
#include <stdio.h>

#include "driver.h"

#define POSTS 100
#define SUBMISSIONS 10
#define TIMERS 10

typedef struct load {
  _Alignas(128) pthread_t thread;
  int stop; /* atomic */
  uint64_t posts, submissions, late;
  /* By the loop. */
  _Alignas(128) uint64_t posted;
  uint64_t submitted;
} load;

static load background;

int has_mixed(void) {
  return has_echo() && has_post() && has_submit() && has_timer();
}

static void on_done(void *arg, int answer) {
  (void)answer;
  bench_count(arg);
}

static void arm(void *arg) {
  unsigned i;
  (void)arg;
  bench_subject.timer_open(shared.subject, TIMERS);
  for (i = 0; i < TIMERS; i++)
    bench_subject.timer_arm(shared.subject, i, 30000 + i);
}

static void rearm(void *arg) {
  unsigned i;
  (void)arg;
  for (i = 0; i < TIMERS; i++) {
    bench_subject.timer_cancel(shared.subject, i);
    bench_subject.timer_arm(shared.subject, i, 30000 + i);
  }
}

static void disarm(void *arg) {
  unsigned i;
  (void)arg;
  for (i = 0; i < TIMERS; i++) bench_subject.timer_cancel(shared.subject, i);
  if (HAS(timer_close)) bench_subject.timer_close(shared.subject);
}

static void one_millisecond(load *l) {
  int i;
  for (i = 0; i < POSTS; i++) bench_subject.post(shared.subject, &l->posted);
  for (i = 0; i < SUBMISSIONS; i++)
    bench_subject.submit(shared.subject, i, on_done, &l->submitted);
  bench_subject.on_loop(shared.subject, rearm, NULL);
  l->posts += POSTS;
  l->submissions += SUBMISSIONS;
}

static void *load_main(void *arg) {
  load *l = arg;
  uint64_t due = now_ns(), now;
  pin_to(SIDE_CALLER, 0);
  while (!__atomic_load_n(&l->stop, __ATOMIC_RELAXED)) {
    one_millisecond(l);
    due += 1000000;
    now = now_ns();
    if (now < due) {
      nap((double)(due - now) / 1e9);
    } else {
      l->late++;
      due = now;
    }
  }
  return NULL;
}

static void end_load(load *l) {
  __atomic_store_n(&l->stop, 1, __ATOMIC_RELAXED);
  pthread_join(l->thread, NULL);
  while (__atomic_load_n(&l->posted, __ATOMIC_ACQUIRE) != l->posts ||
         __atomic_load_n(&l->submitted, __ATOMIC_ACQUIRE) != l->submissions)
    nap(0.0001);
}

void run_mixed(outcome *out) {
  static char extra[512];
  start_subject();
  bench_subject.on_loop(shared.subject, arm, NULL);
  echo_begin();
  if (pthread_create(&background.thread, NULL, load_main, &background) != 0)
    bench_fail("cannot start the load's thread");
  workers_run(sync_body, echo_toggle, out);
  end_load(&background);
  snprintf(extra, sizeof extra, "%s,\"late_ms\":%llu", echo_end(out->seconds),
           (unsigned long long)background.late);
  out->extra = extra;
  bench_subject.on_loop(shared.subject, disarm, NULL);
  stop_subject();
}
