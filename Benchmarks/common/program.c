/* Runs one workload on the system that is linked in and prints one line. (A
 * file named main.c would make the driver an executable of its own to SwiftPM.)
 */
#include <stdio.h>
#include <string.h>

#include "driver.h"

static const workload workloads[] = {
    {"sync", "callers in a closed loop, each blocked for its answer", has_sync,
     run_sync},
    {"sparse", "one call in every period_ns", has_sync, run_sparse},
    {"post", "fire and forget, until the last has run", has_post, run_post},
    {"pipelined", "in_flight submissions with completions outstanding",
     has_submit, run_pipelined},
    {"await", "tasks that await a call (Swift)", has_await, run_await},
    {"timer", "arm and cancel on the loop thread, per pair", has_timer,
     run_timer},
    {"payload", "synchronous calls with bytes, there and back", has_payload,
     run_payload},
    {"offload", "a job on the pool for blocking work, waited for", has_offload,
     run_offload},
    {"startstop", "start, first call, stop", has_sync, run_startstop},
    {"idle", "what it costs when nothing happens", has_sync, run_idle},
    {"tickets", "memory of calls under way (outstanding, or a million)",
     has_tickets, run_tickets},
    {"queue", "the queue alone: producers, one consumer", has_queue, run_queue},
    {"echo", "TCP echo on the loop beside synchronous callers", has_echo,
     run_echo},
    {"mixed", "callers, posts, submissions, timers and echo at once", has_mixed,
     run_mixed},
};

#define WORKLOADS (sizeof workloads / sizeof workloads[0])

static int help(const char *program) {
  size_t i;
  printf(
      "usage: %s WORKLOAD KEY=VALUE...\n\n"
      "Measures %s and prints one line of JSON. Exit 3: this system has no\n"
      "such workload, or not with these options.\n\nworkloads:\n",
      program, bench_subject.name);
  for (i = 0; i < WORKLOADS; i++)
    printf("  %-12s %s%s\n", workloads[i].name, workloads[i].help,
           workloads[i].possible() ? "" : " (not here)");
  options_help();
  return 0;
}

static const workload *find(const char *name) {
  size_t i;
  for (i = 0; i < WORKLOADS; i++)
    if (strcmp(workloads[i].name, name) == 0) return &workloads[i];
  return NULL;
}

static int possible(const workload *work) {
  unsigned flags = bench_subject.flags;
  if (!work->possible()) return 0;
  if (opt.producers > 1 && (flags & BENCH_ONE_CALLER)) return 0;
  if ((opt.pin == PIN_SAME || opt.pin == PIN_EACH) && (flags & BENCH_TWO_CPUS))
    return 0;
  if (opt.pin != PIN_NONE && (flags & BENCH_NO_PIN)) return 0;
  if (opt.engines > 1 && strcmp(work->name, "sync") != 0) return 0;
  return opt.producers > 0 || strcmp(work->name, "echo") == 0;
}

int main(int argc, char **argv) {
  static outcome out;
  const workload *work;
  if (argc < 2 || strcmp(argv[1], "--help") == 0) return help(argv[0]);
  work = find(argv[1]);
  if (work == NULL) {
    fprintf(stderr, "%s: no such workload (see --help)\n", argv[1]);
    return 2;
  }
  options_parse(argc, argv);
  if (!possible(work)) return 3;
  work->run(&out);
  report(&out);
  return 0;
}
