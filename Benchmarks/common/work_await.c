/* Awaiting tasks: the system starts them, each calls bench_step in a loop, and
 * the timing is here. A clock thread moves the phases on. What takes less than
 * a look at the clock is timed in blocks, of which the mean is recorded. */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

#define INLINE_BLOCK 64 /* steps between looks at the clock, from=loop */

enum { WARM, MEASURE, OVER };

static int phase; /* atomic */
static uint64_t begun[MAX_WORKERS];
static uint64_t measure_begin, measure_end;
static usage used;
static uint64_t block = 1;

static void time_step(worker *w, int task, int measured) {
  uint64_t now;
  if (w->ops % block != 0) return; /* warming up: at each step */
  now = now_ns();
  if (measured) hist_add(&w->hist, (now - begun[task]) / block);
  begun[task] = now;
}

int bench_step(int task, int answer) {
  worker *w = &workers[task];
  int at = __atomic_load_n(&phase, __ATOMIC_RELAXED);
  int measured = answer >= 0 && at == MEASURE;
  if (answer >= 0) {
    if (answer != w->x + 1)
      bench_fail("an await came back with a wrong answer");
    w->x = (w->x + 1) & 0xffff;
  }
  if (measured) w->ops++;
  time_step(w, task, measured);
  return at == OVER ? -1 : w->x;
}

static void *clock_main(void *arg) {
  usage before;
  (void)arg;
  nap(opt.seconds / 5 > 0.2 ? 0.2 : opt.seconds / 5);
  before = usage_now();
  measure_begin = now_ns();
  __atomic_store_n(&phase, MEASURE, __ATOMIC_RELAXED);
  nap(opt.seconds);
  measure_end = now_ns();
  __atomic_store_n(&phase, OVER, __ATOMIC_RELAXED);
  used = usage_since(&before);
  return NULL;
}

int has_await(void) {
  return HAS(await);
}

void run_await(outcome *out) {
  pthread_t clock_thread;
  if (strcmp(opt.from, "loop") == 0) block = INLINE_BLOCK;
  start_subject();
  if (pthread_create(&clock_thread, NULL, clock_main, NULL) != 0)
    bench_fail("cannot start the clock's thread");
  if (!bench_subject.await(shared.subject, opt.from, opt.producers)) exit(3);
  pthread_join(clock_thread, NULL);
  stop_subject();
  workers_collect(out, (double)(measure_end - measure_begin) / 1e9);
  out->used = used;
}
