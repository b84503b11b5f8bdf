/* threads: when they start, whether they multiply, what they do with the
 * host's signals, and whether they let an idle machine sleep. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"

#define ROOM 256
#define CALLS 200
#define SAMPLES 20

static struct thread_info threads[ROOM];

static uint64_t bit(int signal) {
  return UINT64_C(1) << (signal - 1);
}

/* The threads other than this one. */
static size_t others(void) {
  size_t count = proc_threads(threads, ROOM), kept = 0;
  for (size_t i = 0; i < count && i < ROOM; i++)
    if (threads[i].id != getpid()) threads[kept++] = threads[i];
  return count > ROOM ? count - 1 : kept;
}

static void name_signals(const int *list, uint64_t mask, int wanted,
                         struct names *names) {
  for (; *list != 0; list++) {
    char text[16];
    snprintf(text, sizeof text, "SIG%s", sigabbrev_np(*list));
    if (((mask & bit(*list)) != 0) == wanted) names_add(names, text);
  }
}

/* The first thread whose mask has, or lacks, one of the signals. A thread that
 * is being born has all of them blocked for a moment: look again. */
static const char *find_mask(const int *list, int blocked,
                             struct names *names) {
  static char who[32];
  for (int attempt = 0; attempt < 10; attempt++, sleep_ms(100)) {
    size_t count = others();
    who[0] = 0;
    for (size_t i = 0; i < count && i < ROOM && who[0] == 0; i++) {
      *names = (struct names){0};
      name_signals(list, threads[i].blocked, blocked, names);
      if (names->count > 0) snprintf(who, sizeof who, "%s", threads[i].name);
    }
    if (who[0] == 0) return NULL;
  }
  return who;
}

static void look_at_masks(void) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL,
                               SIGTRAP, SIGSYS, SIGABRT, 0};
  static const int directed[] = {SIGHUP,    SIGINT,   SIGQUIT, SIGTERM, SIGUSR1,
                                 SIGUSR2,   SIGALRM,  SIGCHLD, SIGPROF, SIGIO,
                                 SIGVTALRM, SIGWINCH, 0};
  struct names names = {0};
  const char *who = find_mask(faults, 1, &names);
  if (who != NULL)
    finding(SEVERITY_FAIL, "faults",
            "A fault signal that is blocked kills the process past the host's "
            "handler (the JVM's, Go's, a crash reporter's).",
            "Block all signals but SEGV, BUS, FPE, ILL, TRAP, SYS and ABRT "
            "around pthread_create.",
            "thread '%s' blocks %s", who, names_end(&names));
  who = find_mask(directed, 0, &names);
  if (who != NULL)
    finding(SEVERITY_WARN, "signals",
            "The host's handlers run on the plugin's thread, of which they "
            "know nothing, and interrupt its system calls.",
            "Block all signals but the faults around pthread_create.",
            "thread '%s' takes the process's signals: %s", who,
            names_end(&names));
}

static void sum(size_t count, uint64_t *switches, uint64_t *ticks) {
  *switches = *ticks = 0;
  for (size_t i = 0; i < count && i < ROOM; i++) {
    *switches += threads[i].switches;
    *ticks += threads[i].ticks;
  }
}

/* Looks for a second; how often a thread was running or ready. On a busy
 * machine it is ready more often than it gets its time. */
static double share_running(void) {
  unsigned running = 0;
  for (int i = 0; i < SAMPLES; i++) {
    size_t count = others();
    int any = 0;
    for (size_t t = 0; t < count && t < ROOM; t++) any |= threads[t].running;
    running += (unsigned)any;
    sleep_ms(1000 / SAMPLES);
  }
  return (double)running / SAMPLES;
}

/* A second in which nobody calls. */
static void look_at_idle(void) {
  uint64_t switches[2], ticks[2];
  stage("idling");
  sleep_ms(500); /* what the last calls left to do */
  sum(others(), &switches[0], &ticks[0]);
  int64_t begin = now_ms();
  double running = share_running();
  sum(others(), &switches[1], &ticks[1]);
  double seconds = (double)(now_ms() - begin) / 1000;
  double wakes = (double)(switches[1] - switches[0]) / seconds;
  double busy =
      (double)(ticks[1] - ticks[0]) / (double)sysconf(_SC_CLK_TCK) / seconds;
  if (switches[1] < switches[0] || ticks[1] < ticks[0]) return; /* one ended */
  /* On a busy machine one that often wakes is often seen ready to run. */
  if (busy > 0.2 || (running > 0.6 && wakes <= 5))
    finding(SEVERITY_FAIL, "burns", "An idle host pays for a core.",
            "Park: futex, condition variable, epoll_wait without a time limit.",
            "%.0f%% of a core while nobody calls, ready to run %.0f%% of the "
            "time",
            busy * 100, running * 100);
  else if (wakes > 5)
    finding(SEVERITY_WARN, "wakes",
            "Each wake-up keeps the processor from sleeping.",
            "Wait for events, without a period.",
            "%.0f wake-ups a second while nobody calls", wakes);
}

unsigned call_some(const struct subject *subject, unsigned n) {
  int64_t end = now_ms() + subject->limit_ms / 3;
  unsigned calls = 0;
  stage("calling %.64s", subject->tool);
  for (; calls < n && now_ms() < end; calls++) {
    struct answer answer = subject_call(subject);
    subject_free(subject, &answer);
  }
  return calls;
}

void check_threads(struct subject *subject) {
  size_t before = others();
  if (!subject_open(subject)) return;
  size_t loaded = others();
  if (loaded > before)
    finding(SEVERITY_WARN, "load",
            "The loader's lock is held then; a host that only wants the "
            "schemas, or forks, gets threads that it did not ask for.",
            "Start threads in init or at the first call.",
            "%zu threads start when it is loaded", loaded - before);
  if (!subject_configure(subject) || !subject_init(subject)) return;
  size_t started = others();
  call_some(subject, CALLS);
  size_t warm = others();
  unsigned calls = call_some(subject, CALLS);
  size_t after = others();
  if (after > warm + 4 + calls / 20)
    finding(SEVERITY_FAIL, "multiply",
            "Each takes a stack, and the process's limit ends the host.",
            "Keep a fixed number of threads; join those that end.",
            "%zu threads more after %u more calls", after - warm, calls);
  look_at_idle();
  look_at_masks();
  summary("%zu at load, %zu after init, %zu after calls", loaded, started,
          after);
}
