/* Timers: one armed and cancelled over and over on the loop thread, with
 * others outstanding that never fire. */
#include "driver.h"

#define PAIRS 256 /* between looks at the clock */

int has_timer(void) {
  return HAS(on_loop) && HAS(timer_open) && HAS(timer_arm) && HAS(timer_cancel);
}

/* Between 20 and 80 seconds from now, in no order. */
static unsigned due_ms(unsigned i) {
  return 20000u + (i * 2654435761u) % 60000u;
}

static void pairs(unsigned slot, unsigned *turn) {
  int i;
  for (i = 0; i < PAIRS; i++) {
    bench_subject.timer_arm(shared.subject, slot, due_ms((*turn)++));
    bench_subject.timer_cancel(shared.subject, slot);
  }
}

static void on_loop(void *arg) {
  outcome *out = arg;
  unsigned others = (unsigned)opt.outstanding, i, turn = 0;
  uint64_t begin, end, last, now;
  usage before;
  bench_subject.timer_open(shared.subject, others + 1);
  for (i = 0; i < others; i++)
    bench_subject.timer_arm(shared.subject, i, due_ms(i));
  for (i = 0; i < 16; i++) pairs(others, &turn);
  before = usage_now();
  begin = last = now_ns();
  end = begin + (uint64_t)(opt.seconds * 1e9);
  do {
    pairs(others, &turn);
    now = now_ns();
    hist_add(&out->hist, (now - last) / PAIRS);
    last = now;
    out->ops += PAIRS;
  } while (now < end);
  out->used = usage_since(&before);
  out->seconds = (double)(last - begin) / 1e9;
  for (i = 0; i < others; i++) bench_subject.timer_cancel(shared.subject, i);
  if (HAS(timer_close)) bench_subject.timer_close(shared.subject);
}

void run_timer(outcome *out) {
  start_subject();
  bench_subject.on_loop(shared.subject, on_loop, out);
  stop_subject();
}
