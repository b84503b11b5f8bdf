/* Runs one workload on one system and prints one JSON line.
 *
 *   SYSTEM sync|post THREADS SECONDS ROUND
 *
 * sync: each thread calls in a closed loop, every answer is checked, every
 * call's latency is recorded. post: each thread posts as fast as it can for the
 * time; the clock stops when the last post has run. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define MAX_THREADS 256
/* Latencies: 16 buckets per power of two. */
#define SUB 16
#define BUCKETS (64 * SUB)

typedef struct worker {
  _Alignas(128) pthread_t thread;
  void *ctx;
  uint64_t ops;
  uint64_t max;
  uint64_t buckets[BUCKETS];
} worker;

static int go, halt; /* atomic */
static uint64_t posted_ran;
static worker workers[MAX_THREADS];

static uint64_t now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static unsigned bucket(uint64_t ns) {
  unsigned log;
  if (ns < SUB) return (unsigned)ns;
  log = 63u - (unsigned)__builtin_clzll(ns);
  return (log - 3) * SUB + (unsigned)((ns >> (log - 4)) & (SUB - 1));
}

/* Lower bound of a bucket. */
static uint64_t bucket_ns(unsigned index) {
  unsigned log = index / SUB + 3;
  if (index < SUB) return index;
  return (UINT64_C(16) + index % SUB) << (log - 4);
}

static void *sync_worker(void *arg) {
  worker *me = arg;
  int x = 0;
  while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE)) {
  }
  while (!__atomic_load_n(&halt, __ATOMIC_RELAXED)) {
    uint64_t begin = now(), ns;
    if (bench_subject.sync(me->ctx, x) != x + 1) {
      fprintf(stderr, "%s: wrong answer\n", bench_subject.name);
      exit(1);
    }
    ns = now() - begin;
    me->buckets[bucket(ns)]++;
    if (ns > me->max) me->max = ns;
    me->ops++;
    x = (x + 1) & 0xffff;
  }
  return NULL;
}

static void *post_worker(void *arg) {
  worker *me = arg;
  while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE)) {
  }
  while (!__atomic_load_n(&halt, __ATOMIC_RELAXED)) {
    int i;
    for (i = 0; i < 64; i++) bench_subject.post(me->ctx, &posted_ran);
    me->ops += 64;
  }
  return NULL;
}

static uint64_t total_ops(int threads) {
  uint64_t ops = 0;
  int i;
  for (i = 0; i < threads; i++) ops += workers[i].ops;
  return ops;
}

static uint64_t percentile(int threads, double p) {
  uint64_t all = 0, want, seen = 0;
  unsigned b;
  int i;
  for (i = 0; i < threads; i++)
    for (b = 0; b < BUCKETS; b++) all += workers[i].buckets[b];
  want = (uint64_t)((double)all * p);
  for (b = 0; b < BUCKETS; b++) {
    for (i = 0; i < threads; i++) seen += workers[i].buckets[b];
    if (seen > want) return bucket_ns(b);
  }
  return 0;
}

static double fairness(int threads) {
  uint64_t least = UINT64_MAX;
  int i;
  for (i = 0; i < threads; i++)
    if (workers[i].ops < least) least = workers[i].ops;
  return (double)least * threads / (double)total_ops(threads);
}

static uint64_t cpu_ns(const struct rusage *usage) {
  return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) *
             1000000000u +
         (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000u;
}

static void nap(double seconds) {
  struct timespec ts = {(time_t)seconds,
                        (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&ts, NULL);
}

static void report(const char *workload, int threads, double seconds,
                   const struct rusage *a, const struct rusage *b, int round) {
  uint64_t max = 0, ops = total_ops(threads);
  int i;
  for (i = 0; i < threads; i++)
    if (workers[i].max > max) max = workers[i].max;
  printf(
      "{\"workload\":\"%s\",\"system\":\"%s\",\"producers\":%d,"
      "\"ops_per_s\":%.0f,\"p50_ns\":%llu,\"p99_ns\":%llu,"
      "\"p999_ns\":%llu,\"max_ns\":%llu,\"fairness\":%.3f,"
      "\"cpu_ns_per_op\":%.1f,\"csw_per_op\":%.4f,\"rss_kb\":%ld,"
      "\"round\":%d}\n",
      workload, bench_subject.name, threads, (double)ops / seconds,
      (unsigned long long)percentile(threads, 0.5),
      (unsigned long long)percentile(threads, 0.99),
      (unsigned long long)percentile(threads, 0.999), (unsigned long long)max,
      fairness(threads), (double)(cpu_ns(b) - cpu_ns(a)) / (double)ops,
      (double)(b->ru_nvcsw + b->ru_nivcsw - a->ru_nvcsw - a->ru_nivcsw) /
          (double)ops,
      b->ru_maxrss, round);
}

int main(int argc, char **argv) {
  struct rusage before, after;
  int threads = argc > 2 ? atoi(argv[2]) : 0, i, posts;
  double seconds = argc > 3 ? atof(argv[3]) : 0;
  uint64_t begin, end;
  void *ctx;
  posts = argc > 1 && strcmp(argv[1], "post") == 0;
  if (argc != 5 || (!posts && strcmp(argv[1], "sync") != 0) || threads < 1 ||
      threads > MAX_THREADS || seconds <= 0) {
    fprintf(stderr, "usage: %s sync|post THREADS SECONDS ROUND\n", argv[0]);
    return 2;
  }
  if ((posts ? (void *)(uintptr_t)bench_subject.post
             : (void *)(uintptr_t)bench_subject.sync) == NULL)
    return 3; /* no such workload here */
  ctx = bench_subject.start();
  for (i = 0; i < threads; i++) {
    workers[i].ctx = ctx;
    pthread_create(&workers[i].thread, NULL, posts ? post_worker : sync_worker,
                   &workers[i]);
  }
  nap(0.02);
  getrusage(RUSAGE_SELF, &before);
  begin = now();
  __atomic_store_n(&go, 1, __ATOMIC_RELEASE);
  nap(seconds);
  __atomic_store_n(&halt, 1, __ATOMIC_RELAXED);
  for (i = 0; i < threads; i++) pthread_join(workers[i].thread, NULL);
  while (posts &&
         __atomic_load_n(&posted_ran, __ATOMIC_ACQUIRE) != total_ops(threads))
    nap(0.0001);
  end = now();
  getrusage(RUSAGE_SELF, &after);
  report(argv[1], threads, (double)(end - begin) / 1e9, &before, &after,
         atoi(argv[4]));
  bench_subject.stop(ctx);
  return 0;
}
