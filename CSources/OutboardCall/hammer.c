/* Many threads calling one tool: nothing may be lost, nothing may differ.
 *
 * Each thread takes the next number of a shared count and calls; its own
 * record says how many it asked and how each ended, so the sums must agree at
 * the end. The main thread only watches: it shows progress, and when no call
 * at all ends for a while it reports what was asked and never answered. */
#include "call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How often the watcher looks, and at how many looks it shows progress. */
#define TICK_NS 20000000
#define SHOW_EVERY 10

/* One caller's record. Aligned, so that callers do not share a line. */
struct caller {
  _Alignas(64) pthread_t thread;
  struct run *run;
  _Atomic uint64_t asked;    /* by its thread; the watcher reads */
  _Atomic uint64_t answered; /* likewise */
  _Atomic uint64_t failed;   /* of the answered: the tool's errors */
  _Atomic uint64_t wrong;    /* of the answered: content differs, no JSON */
  char *sample;              /* the first bad answer; read after the join */
  struct histogram latency;  /* read after the join */
};

struct run {
  const struct plugin *plugin;
  const struct options *options;
  const char *args;
  size_t args_size;
  const struct answer *reference;
  _Atomic uint64_t next;   /* number of the next call */
  _Atomic uint32_t left;   /* callers still at work */
  pthread_barrier_t start; /* callers and the watcher */
  uint64_t started;        /* ns; the watcher's */
  _Atomic uint64_t ended;  /* ns; the last caller's, or the watcher's */
  struct caller *callers;
};

struct totals {
  uint64_t asked, answered, failed, wrong;
};

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Only the owner writes a record, so a plain increment needs no RMW. */
static void count(_Atomic uint64_t *counter) {
  uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
  atomic_store_explicit(counter, value + 1, memory_order_relaxed);
}

static void keep_sample(struct caller *caller, const struct answer *answer) {
  if (caller->sample != NULL) return;
  size_t size = answer->size < 300 ? answer->size : 300;
  if (answer->bytes != NULL)
    caller->sample = strndup((const char *)answer->bytes, size);
  else
    caller->sample = strdup("(no buffer)");
}

static void judge(struct caller *caller, const struct answer *answer) {
  const struct answer *expected = caller->run->reference;
  int wrong;
  if (answer->code != MCP_OK || caller->run->options->vary)
    wrong = json_fault(answer->bytes, answer->size) != NULL;
  else
    wrong = answer->bytes == NULL || answer->size != expected->size ||
            memcmp(answer->bytes, expected->bytes, expected->size) != 0;
  if (wrong)
    count(&caller->wrong);
  else if (answer->code != MCP_OK)
    count(&caller->failed);
  if (wrong || answer->code != MCP_OK) keep_sample(caller, answer);
  count(&caller->answered);
}

static void *call_in_turn(void *arg) {
  struct caller *caller = arg;
  struct run *run = caller->run;
  pthread_barrier_wait(&run->start);
  while (atomic_fetch_add(&run->next, 1) < run->options->repeat) {
    count(&caller->asked);
    uint64_t before = now_ns();
    struct answer answer =
        plugin_call(run->plugin, run->options->tool, run->args, run->args_size);
    histogram_add(&caller->latency, now_ns() - before);
    judge(caller, &answer);
    answer_free(run->plugin, &answer);
  }
  if (atomic_fetch_sub(&run->left, 1) == 1) atomic_store(&run->ended, now_ns());
  return NULL;
}

static struct totals sum(struct run *run) {
  struct totals totals = {0};
  for (uint32_t i = 0; i < run->options->threads; i++) {
    struct caller *caller = &run->callers[i];
    /* Answered first: what is asked meanwhile then counts as under way. */
    totals.answered += atomic_load(&caller->answered);
    totals.asked += atomic_load(&caller->asked);
    totals.failed += atomic_load(&caller->failed);
    totals.wrong += atomic_load(&caller->wrong);
  }
  return totals;
}

static void show_progress(struct run *run, const struct totals *totals) {
  double seconds = (double)(now_ns() - run->started) / 1e9;
  fprintf(stderr, "\r%llu of %llu calls (%.0f%%), %.0f calls/s, %llu bad\x1b[K",
          (unsigned long long)totals->answered,
          (unsigned long long)run->options->repeat,
          100.0 * (double)totals->answered / (double)run->options->repeat,
          (double)totals->answered / (seconds > 0 ? seconds : 1),
          (unsigned long long)(totals->failed + totals->wrong));
}

/* Watches until the callers are done (0) or nothing moves any more (1). */
static int watch(struct run *run) {
  const struct timespec tick = {0, TICK_NS};
  int show = isatty(STDERR_FILENO) && !run->options->quiet;
  uint64_t seen = 0, since = run->started;
  int stalled = 0;
  for (unsigned round = 1; atomic_load(&run->left) != 0 && !stalled; round++) {
    nanosleep(&tick, NULL);
    struct totals totals = sum(run);
    if (totals.answered != seen) since = now_ns();
    seen = totals.answered;
    stalled = now_ns() - since > run->options->stall_s * UINT64_C(1000000000);
    if (show && round % SHOW_EVERY == 0) show_progress(run, &totals);
  }
  if (show) fputs("\r\x1b[K", stderr);
  if (stalled) atomic_store(&run->ended, now_ns());
  return stalled;
}

static void print_sample(const struct run *run) {
  for (uint32_t i = 0; i < run->options->threads; i++)
    if (run->callers[i].sample != NULL) {
      printf("first bad answer seen: %s\n", run->callers[i].sample);
      return;
    }
}

static void print_latency(struct run *run) {
  struct histogram all = {0};
  for (uint32_t i = 0; i < run->options->threads; i++)
    histogram_merge(&all, &run->callers[i].latency);
  printf("latency  p50 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us\n",
         (double)histogram_at(&all, 500) / 1e3,
         (double)histogram_at(&all, 990) / 1e3,
         (double)histogram_at(&all, 999) / 1e3, (double)all.max / 1e3);
}

static enum exit_code report(struct run *run, int stalled) {
  struct totals totals = sum(run);
  uint64_t lost = totals.asked - totals.answered;
  double seconds = (double)(run->ended - run->started) / 1e9;
  printf("calls    %llu asked, %llu answered, %llu lost\n",
         (unsigned long long)totals.asked, (unsigned long long)totals.answered,
         (unsigned long long)lost);
  printf("answers  %llu %s, %llu wrong, %llu errors\n",
         (unsigned long long)(totals.answered - totals.wrong - totals.failed),
         run->options->vary ? "well formed" : "equal to the first",
         (unsigned long long)totals.wrong, (unsigned long long)totals.failed);
  printf("rate     %.0f calls/s (%.3f s, %u threads)\n",
         (double)totals.answered / (seconds > 0 ? seconds : 1), seconds,
         run->options->threads);
  if (!stalled) { /* the callers still write what these read */
    print_latency(run);
    print_sample(run);
  }
  return lost + totals.wrong + totals.failed != 0 ? EXIT_HAMMER : EXIT_OK;
}

static void start_callers(struct run *run) {
  uint32_t threads = run->options->threads;
  run->callers = aligned_alloc(64, threads * sizeof *run->callers);
  if (run->callers == NULL ||
      pthread_barrier_init(&run->start, NULL, threads + 1) != 0)
    fail(EXIT_USAGE, "use fewer threads", "no memory for %u threads", threads);
  memset(run->callers, 0, threads * sizeof *run->callers);
  atomic_store(&run->left, threads);
  for (uint32_t i = 0; i < threads; i++) {
    run->callers[i].run = run;
    int error = pthread_create(&run->callers[i].thread, NULL, call_in_turn,
                               &run->callers[i]);
    if (error != 0)
      fail(EXIT_USAGE, "use fewer threads", "cannot start thread %u: %s", i + 1,
           strerror(error));
  }
}

enum exit_code hammer(const struct plugin *plugin,
                      const struct options *options, const char *args,
                      const struct answer *reference) {
  struct run run = {.plugin = plugin,
                    .options = options,
                    .args = args,
                    .args_size = strlen(args),
                    .reference = reference};
  start_callers(&run);
  run.started = now_ns();
  pthread_barrier_wait(&run.start);
  int stalled = watch(&run);
  enum exit_code code = report(&run, stalled);
  if (stalled) {
    fflush(stdout);
    fprintf(stderr,
            "outboard-call: no answer for %u s; ending with calls under way\n",
            options->stall_s);
    _exit(EXIT_HAMMER); /* exit() would wait for, or crash with, the callers */
  }
  for (uint32_t i = 0; i < options->threads; i++) {
    pthread_join(run.callers[i].thread, NULL);
    free(run.callers[i].sample);
  }
  pthread_barrier_destroy(&run.start);
  free(run.callers);
  return code;
}
