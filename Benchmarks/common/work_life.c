/* An engine's life and what it weighs: startstop, idle, tickets. */
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
  pin_to(SIDE_LOOP, 0);
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

/* What a second instance adds to the process, its threads' stacks as far as
 * they are touched included. */
static long second_kb(void) {
  long before = resident_kb(), after;
  void *second = bench_subject.start();
  if (bench_subject.sync(second, 1) != 2) bench_fail("wrong first answer");
  after = resident_kb();
  bench_subject.stop(second);
  return before < 0 ? -1 : after - before;
}

/* Nothing to do for the whole time, after one call. */
void run_idle(outcome *out) {
  others before, after;
  long threads;
  start_subject();
  if (bench_subject.sync(shared.subject, 1) != 2)
    bench_fail("wrong first answer");
  nap(0.1);
  before = others_now();
  nap(opt.seconds);
  after = others_now();
  threads = status_value("Threads") - 1; /* before there is a second one */
  out->seconds = opt.seconds;
  snprintf(extra, sizeof extra,
           "\"idle_cpu_us_per_s\":%.1f,\"idle_csw_per_s\":%.2f,"
           "\"threads\":%ld,\"idle_rss_kb\":%ld,\"second_rss_kb\":%ld",
           per_second(before.cpu_ns, after.cpu_ns) / 1e3,
           per_second(before.switches, after.switches), threads, resident_kb(),
           second_kb());
  out->extra = extra;
  stop_subject();
}

int has_tickets(void) {
  return HAS(open_many) && HAS(close_many);
}

/* What calls under way weigh; one operation is one of them begun. */
void run_tickets(outcome *out) {
  unsigned count = opt.outstanding > 0 ? (unsigned)opt.outstanding : 1000000;
  uint64_t begin;
  long before, after;
  usage used;
  start_subject();
  bench_subject.open_many(shared.subject, 1000); /* warm */
  bench_subject.close_many(shared.subject);
  before = resident_kb();
  used = usage_now();
  begin = now_ns();
  bench_subject.open_many(shared.subject, count);
  out->seconds = (double)(now_ns() - begin) / 1e9;
  out->used = usage_since(&used);
  after = resident_kb();
  out->ops = out->ops_all = count;
  if (before >= 0)
    snprintf(extra, sizeof extra, "\"bytes_each\":%.1f",
             (double)(after - before) * 1024 / count);
  out->extra = before < 0 ? NULL : extra;
  bench_subject.close_many(shared.subject);
  stop_subject();
}
