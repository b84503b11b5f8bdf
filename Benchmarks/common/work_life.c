/* An engine's life: startstop and idle. */
#include <stdio.h>

#include "driver.h"

static char extra[512];

typedef struct lap_times {
  histogram start, first, stop;
} lap_times;

static uint64_t lap(histogram *h, uint64_t begin) {
  uint64_t end = now_ns();
  hist_add(h, end - begin);
  return end;
}

static void one_life(lap_times *times, histogram *all) {
  uint64_t begin, at;
  pin_to(SIDE_LOOP);
  begin = now_ns();
  shared.subject = bench_subject.start();
  at = lap(&times->start, begin);
  if (bench_subject.sync(shared.subject, 1) != 2)
    bench_fail("wrong first answer");
  at = lap(&times->first, at);
  bench_subject.stop(shared.subject);
  at = lap(&times->stop, at);
  hist_add(all, at - begin);
}

/* Start, first call, stop, again and again; one operation is all three. */
void run_startstop(outcome *out) {
  static lap_times warm, times;
  uint64_t begin, end;
  usage before;
  int i;
  for (i = 0; i < 10; i++) one_life(&warm, &warm.start);
  before = usage_now();
  begin = now_ns();
  end = begin + (uint64_t)(opt.seconds * 1e9);
  do {
    one_life(&times, &out->hist);
    out->ops++;
  } while (now_ns() < end);
  out->used = usage_since(&before);
  out->seconds = (double)(now_ns() - begin) / 1e9;
  snprintf(extra, sizeof extra,
           "\"start_ns\":%llu,\"first_ns\":%llu,\"stop_ns\":%llu",
           (unsigned long long)hist_quantile(&times.start, 0.5),
           (unsigned long long)hist_quantile(&times.first, 0.5),
           (unsigned long long)hist_quantile(&times.stop, 0.5));
  out->extra = extra;
}

/* What all threads but this one, which sleeps, have used; two readings of the
 * kernel's that may differ a little, hence signed. */
typedef struct others {
  int64_t cpu_ns, switches;
} others;

static others others_now(void) {
  usage all = usage_now(), mine = usage_of_thread();
  others o = {(int64_t)all.cpu_ns - (int64_t)mine.cpu_ns,
              (int64_t)all.switches - (int64_t)mine.switches};
  return o;
}

static double per_second(int64_t before, int64_t after) {
  return after > before ? (double)(after - before) / opt.seconds : 0;
}

/* Nothing to do for the whole time, after one call. */
void run_idle(outcome *out) {
  others before, after;
  start_subject();
  if (bench_subject.sync(shared.subject, 1) != 2)
    bench_fail("wrong first answer");
  nap(0.1);
  before = others_now();
  nap(opt.seconds);
  after = others_now();
  out->seconds = opt.seconds;
  snprintf(extra, sizeof extra,
           "\"idle_cpu_us_per_s\":%.1f,\"idle_csw_per_s\":%.2f,"
           "\"threads\":%ld,\"idle_rss_kb\":%ld",
           per_second(before.cpu_ns, after.cpu_ns) / 1e3,
           per_second(before.switches, after.switches),
           status_value("Threads") - 1, status_value("VmRSS"));
  out->extra = extra;
  stop_subject();
}
