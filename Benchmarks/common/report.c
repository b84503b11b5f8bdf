/* Prints a measurement as one line of JSON. What was not measured is null. */
#include <math.h>
#include <stdio.h>

#include "driver.h"

static void number(const char *key, int known, double value, int digits) {
  if (known && isfinite(value))
    printf("\"%s\":%.*f,", key, digits, value);
  else
    printf("\"%s\":null,", key);
}

static void parameters(void) {
  printf(
      "\"producers\":%d,\"in_flight\":%d,\"handler_ns\":%d,"
      "\"payload\":%d,\"handed\":%d,\"outstanding\":%d,\"period_ns\":%d,"
      "\"connections\":%d,\"engines\":%d,\"from\":\"%s\",\"spin\":\"%s\","
      "\"pin\":\"%s\",",
      opt.producers, opt.in_flight, opt.handler_ns, opt.payload, opt.handed,
      opt.outstanding, opt.period_ns, opt.connections, opt.engines, opt.from,
      opt.spin, opt.pin_text);
}

/* Pairs of a bucket's lower bound and its count. */
static void buckets(const histogram *h) {
  const char *comma = "";
  unsigned b;
  printf("\"hist\":[");
  for (b = 0; b < BUCKETS; b++) {
    if (h->buckets[b] == 0) continue;
    printf("%s[%llu,%llu]", comma, (unsigned long long)hist_lower(b),
           (unsigned long long)h->buckets[b]);
    comma = ",";
  }
  printf("]");
}

void report(const outcome *out) {
  const histogram *h = &out->hist;
  double ops = (double)out->ops;
  int any = out->ops != 0, timed = h->count != 0;
  printf("{\"workload\":\"%s\",\"system\":\"%s\",", opt.workload,
         bench_subject.name);
  parameters();
  number("ops_per_s", any, ops / out->seconds, 0);
  number("p50_ns", timed, (double)hist_quantile(h, 0.5), 0);
  number("p99_ns", timed, (double)hist_quantile(h, 0.99), 0);
  number("p999_ns", timed, (double)hist_quantile(h, 0.999), 0);
  number("max_ns", timed, (double)h->max, 0);
  number("fairness", out->fairness > 0, out->fairness, 3);
  number("cpu_ns_per_op", any, (double)out->used.cpu_ns / ops, 1);
  number("csw_per_op", any, (double)out->used.switches / ops, 4);
  number("syscalls_per_op", 0, 0, 0);
  number("allocs_per_op", any && opt.allocs, (double)out->used.allocs / ops, 4);
  number("rss_kb", 1, (double)status_value("VmHWM"), 0);
  number("seconds", 1, out->seconds, 4);
  printf("\"ops\":%llu,\"ops_all\":%llu,", (unsigned long long)out->ops,
         (unsigned long long)out->ops_all);
  printf("\"round\":%d,\"timing\":\"driver\",", opt.round);
  if (out->extra != NULL) printf("%s,", out->extra);
  buckets(h);
  printf("}\n");
}
