/* The driver's own declarations, shared by its files. */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <pthread.h>
#include <stdint.h>

#include "bench.h"

#define MAX_WORKERS 1024
#define MAX_ENGINES 8

/* --- Options (options.c) ---------------------------------------------------
 */

enum pinning { PIN_NONE, PIN_SAME, PIN_APART, PIN_EACH };

typedef struct options {
  const char *workload;
  int producers;    /* callers, or tasks */
  int in_flight;    /* most outstanding per producer; 0: no limit */
  int handler_ns;   /* computing in the handler */
  int period_ns;    /* between sparse calls */
  int payload;      /* bytes */
  int handed;       /* payload handed over, not copied */
  int outstanding;  /* other timers armed */
  int connections;  /* echo clients */
  int engines;      /* sync: instances, callers spread over them */
  double seconds;   /* of measuring */
  int round;        /* goes into the line */
  enum pinning pin; /* callers and loop: see options.c */
  const char *pin_text;
  const char *from; /* where awaiting tasks run */
  const char *spin; /* ours alone: "default" or "off" */
  int allocs;       /* count allocations (disturbs the timing) */
} options;

extern options opt;

void options_parse(int argc, char **argv);
void options_help(void);

/* --- The machine (machine.c) -----------------------------------------------
 */

uint64_t now_ns(void);
void nap(double seconds);
void busy_for(int ns);
void pause_cpu(void);

/* CPU time, context switches and allocations so far. */
typedef struct usage {
  uint64_t cpu_ns;
  uint64_t switches;
  uint64_t allocs;
} usage;

usage usage_now(void);
usage usage_since(const usage *before);
usage usage_of_thread(void);        /* the calling one; no allocations */
uint64_t thread_cpu_ns(void);       /* the calling one's */
long status_value(const char *key); /* of /proc/self/status; -1: none */

long resident_kb(void); /* exact, unlike VmRSS; -1: unknown */

/* Pins this thread, and the threads that it makes, to the side's CPU, or with
 * PIN_EACH to the engine's. */
enum side { SIDE_LOOP, SIDE_CALLER };
void pin_to(enum side side, int engine);

/* --- Allocations (alloc.c) --------------------------------------------------
 */

void alloc_start_counting(void); /* before any thread exists */
uint64_t alloc_count(void);

/* --- Latencies (histogram.c) ------------------------------------------------
 */

/* 16 buckets per power of two. */
#define SUB 16
#define BUCKETS (64 * SUB)

typedef struct histogram {
  uint64_t count;
  uint64_t max;
  uint64_t buckets[BUCKETS];
} histogram;

void hist_add(histogram *h, uint64_t ns);
void hist_merge(histogram *into, const histogram *from);
uint64_t hist_quantile(const histogram *h, double q);
uint64_t hist_lower(unsigned bucket);

/* --- Workers (workers.c) ----------------------------------------------------
 */

typedef struct worker {
  /* The worker's own. */
  _Alignas(128) pthread_t thread;
  int index;
  int x;             /* next argument */
  uint64_t ops;      /* finished (posts: sent) while measuring */
  uint64_t warm_ops; /* the same while warming up */
  uint64_t sent;     /* of both */
  uint64_t asked;    /* sum of the answers to come */
  void *scratch;     /* the workload's own */
  histogram hist;    /* pipelined: written by the loop, one sample at a time */
  /* Written by the loop, read by the worker. */
  _Alignas(128) uint64_t finished;
  uint64_t answered; /* sum of the answers */
  /* Both: begin of the sample under way, or 0. */
  _Alignas(128) uint64_t sampled;
} worker;

extern worker workers[MAX_WORKERS];

/* What every thread reads all the time, on a line that nobody writes. */
typedef struct quiet {
  _Alignas(128) void *subject; /* what bench_subject.start returned */
  int go;                      /* atomic: the current phase goes on */
  void *subjects[MAX_ENGINES]; /* several, for engines=N */
} quiet;

extern quiet shared;

/* What one measurement found. */
typedef struct outcome {
  uint64_t ops;
  uint64_t ops_all; /* with those of the warm-up */
  double seconds;
  double fairness;
  usage used;
  histogram hist;
  const char *extra; /* more JSON members, or NULL */
} outcome;

/* 1 until the current phase (warm-up, measurement) is over. */
int running(void);

/* Starts opt.producers threads that run body twice, to warm up and to be
 * measured; settle, if not NULL, is run on the main thread after each and waits
 * for what is still under way. */
void workers_run(void (*body)(worker *), void (*settle)(void), outcome *out);

void workers_collect(outcome *out, double seconds);
void start_subject(void);
void stop_subject(void);

/* opt.engines of them; worker w calls subject_of(w). */
void start_subjects(void);
void stop_subjects(void);
void *subject_of(const worker *w);

/* The body of a synchronous caller in a closed loop (work_calls.c). */
void sync_body(worker *w);

/* Echo clients beside a workload (work_echo.c): begin, after the warm-up and
 * after the measurement toggle, end with the JSON members. */
void echo_begin(void);
void echo_toggle(void);
const char *echo_end(double seconds);

/* --- Workloads (work_*.c) ---------------------------------------------------
 */

typedef struct workload {
  const char *name;
  const char *help;
  int (*possible)(void); /* by this system */
  void (*run)(outcome *out);
} workload;

#define HAS(entry) (bench_subject.entry != NULL)

int has_sync(void);
void run_sync(outcome *out);
void run_sparse(outcome *out);
int has_payload(void);
void run_payload(outcome *out);
int has_offload(void);
void run_offload(outcome *out);
int has_post(void);
void run_post(outcome *out);
int has_submit(void);
void run_pipelined(outcome *out);
int has_timer(void);
void run_timer(outcome *out);
void run_startstop(outcome *out);
void run_idle(outcome *out);
int has_tickets(void);
void run_tickets(outcome *out);
int has_queue(void);
void run_queue(outcome *out);
int has_await(void);
void run_await(outcome *out);
int has_echo(void);
void run_echo(outcome *out);
int has_mixed(void);
void run_mixed(outcome *out);

/* --- The line (report.c) ----------------------------------------------------
 */

void report(const outcome *out);

#endif
