/* Clock, processors and what the kernel says about this process. */
#include "driver.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

uint64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void nap(double seconds) {
  struct timespec ts = {(time_t)seconds,
                        (long)((seconds - (double)(time_t)seconds) * 1e9)};
  while (nanosleep(&ts, &ts) != 0) {
  }
}

void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void busy_for(int ns) {
  uint64_t end = now_ns() + (uint64_t)ns;
  while (now_ns() < end) pause_cpu();
}

static uint64_t micros(const struct timeval *tv) {
  return (uint64_t)tv->tv_sec * 1000000u + (uint64_t)tv->tv_usec;
}

static usage usage_of(int who) {
  struct rusage r;
  usage u;
  getrusage(who, &r);
  u.cpu_ns = (micros(&r.ru_utime) + micros(&r.ru_stime)) * 1000u;
  u.switches = (uint64_t)(r.ru_nvcsw + r.ru_nivcsw);
  u.allocs = 0;
  return u;
}

usage usage_of_thread(void) {
  return usage_of(RUSAGE_THREAD);
}

/* Exact, unlike what getrusage says of a thread. */
uint64_t thread_cpu_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

usage usage_now(void) {
  usage u = usage_of(RUSAGE_SELF);
  u.allocs = alloc_count();
  return u;
}

usage usage_since(const usage *before) {
  usage u = usage_now();
  u.cpu_ns -= before->cpu_ns;
  u.switches -= before->switches;
  u.allocs -= before->allocs;
  return u;
}

static long value_in(const char *path, const char *key) {
  FILE *file = fopen(path, "r");
  size_t length = strlen(key);
  char line[256];
  long value = -1;
  if (file == NULL) return -1;
  while (fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, key, length) == 0 && line[length] == ':')
      value = strtol(line + length + 1, NULL, 10);
  fclose(file);
  return value;
}

/* Not ru_maxrss: across an exec that keeps the peak of the parent. */
long status_value(const char *key) {
  return value_in("/proc/self/status", key);
}

long resident_kb(void) {
  return value_in("/proc/self/smaps_rollup", "Rss");
}

/* The CPU of a side: the first allowed one for callers, the last for the loop
 * unless they share one. */
static int cpu_of(enum side side, const cpu_set_t *allowed) {
  int cpu, first = -1, last = -1;
  for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, allowed)) continue;
    if (first < 0) first = cpu;
    last = cpu;
  }
  if (opt.pin == PIN_APART && first == last)
    bench_fail("pin=apart needs two CPUs; this process may use one only");
  return side == SIDE_CALLER || opt.pin == PIN_SAME ? first : last;
}

/* The CPU of an engine and its callers: in turn. */
static int cpu_of_engine(int engine, const cpu_set_t *allowed) {
  int cpu, left = engine % CPU_COUNT(allowed);
  for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, allowed) && left-- == 0) return cpu;
  return 0;
}

void pin_to(enum side side, int engine) {
  static cpu_set_t allowed; /* before any pinning */
  static int known;
  cpu_set_t one;
  if (opt.pin == PIN_NONE) return;
  if (!known) { /* the main thread is first, before there are others */
    sched_getaffinity(0, sizeof allowed, &allowed);
    known = 1;
  }
  CPU_ZERO(&one);
  CPU_SET(opt.pin == PIN_EACH ? cpu_of_engine(engine, &allowed)
                              : cpu_of(side, &allowed),
          &one);
  if (pthread_setaffinity_np(pthread_self(), sizeof one, &one) != 0)
    bench_fail("cannot pin a thread: the kernel refused the CPU");
}
