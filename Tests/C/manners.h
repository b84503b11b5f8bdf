/* The state of a process as text, one fact a line: everything that can be read
 * of what a guest must leave alone. Two of them are compared; a line that
 * differs is the fault. */
#ifndef MANNERS_H
#define MANNERS_H

#include <errno.h>
#include <fenv.h>
#include <grp.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "harness.h"

extern char **environ;

typedef struct manners {
  char text[65536];
  size_t used;
} manners;

static inline void fact(manners *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void fact(manners *m, const char *format, ...) {
  va_list args;
  va_start(args, format);
  m->used += (size_t)vsnprintf(m->text + m->used, sizeof m->text - m->used,
                               format, args);
  va_end(args);
  CHECK(m->used < sizeof m->text);
}

/* The kernel's, not glibc's, which hides two signals. */
static inline void signal_facts(manners *m) {
  struct kernel_action {
    uintptr_t handler;
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask;
  } action;
  stack_t stack;
  uint64_t mask;
  for (int number = 1; number <= 64; number++) {
    CHECK(syscall(SYS_rt_sigaction, number, NULL, &action, 8) == 0);
    /* Without a handler glibc's trampoline and the mask mean nothing, and it
     * leaves the flag of the one when it gives a disposition back. */
    if (action.handler <= 1) {
      action.flags &= ~0x4000000ul;
      action.mask = 0;
    }
    fact(m, "signal %d: %lx %lx %llx\n", number, (unsigned long)action.handler,
         action.flags, (unsigned long long)action.mask);
  }
  CHECK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8) == 0);
  fact(m, "signal mask: %llx\n", (unsigned long long)mask);
  CHECK(sigaltstack(NULL, &stack) == 0);
  fact(m, "signal stack: %p %d %zu\n", stack.ss_sp, stack.ss_flags,
       stack.ss_size);
}

static inline void place_facts(manners *m) {
  char path[4096];
  struct stat here, root;
  int count = 0;
  while (environ[count] != NULL) count++;
  fact(m, "environment: %d at %p\n", count, (void *)environ);
  for (char **at = environ; *at != NULL; at++)
    fact(m, "environment: %p %s\n", (void *)*at, *at);
  CHECK(getcwd(path, sizeof path) != NULL);
  CHECK(stat(".", &here) == 0 && stat("/", &root) == 0);
  fact(m, "directory: %s %lu, root %lu\n", path, (unsigned long)here.st_ino,
       (unsigned long)root.st_ino);
  fact(m, "locale: %s, of the thread %p, point %s\n", setlocale(LC_ALL, NULL),
       (void *)uselocale((locale_t)0), localeconv()->decimal_point);
}

static inline void limit_facts(manners *m) {
  struct itimerval timer;
  for (int which = 0; which < (int)RLIMIT_NLIMITS; which++) {
    struct rlimit limit;
    CHECK(getrlimit((__rlimit_resource_t)which, &limit) == 0);
    fact(m, "limit %d: %llx %llx\n", which, (unsigned long long)limit.rlim_cur,
         (unsigned long long)limit.rlim_max);
  }
  for (int which = 0; which < 3; which++) { /* what is left goes on running */
    CHECK(getitimer((__itimer_which_t)which, &timer) == 0);
    fact(m, "itimer %d: every %ld.%06ld, %s\n", which,
         (long)timer.it_interval.tv_sec, (long)timer.it_interval.tv_usec,
         timer.it_value.tv_sec != 0 || timer.it_value.tv_usec != 0 ? "armed"
                                                                   : "off");
  }
}

static inline void schedule_facts(manners *m) {
  struct sched_param param;
  cpu_set_t set;
  CHECK(sched_getparam(0, &param) == 0);
  fact(m, "scheduling: policy %d, priority %d, nice %d, io %ld\n",
       sched_getscheduler(0), param.sched_priority,
       getpriority(PRIO_PROCESS, 0), syscall(SYS_ioprio_get, 1, 0));
  CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
  fact(m, "affinity:");
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &set)) fact(m, " %d", cpu);
  fact(m, "\n");
}

static inline void process_facts(manners *m) {
  static const int options[] = {PR_GET_DUMPABLE,     PR_GET_KEEPCAPS,
                                PR_GET_NO_NEW_PRIVS, PR_GET_SECUREBITS,
                                PR_GET_TIMERSLACK,   PR_GET_THP_DISABLE,
                                PR_GET_TIMING,       PR_MCE_KILL_GET};
  char name[17] = "";
  int value = 0;
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
    fact(m, "prctl %d: %d\n", options[i], prctl(options[i], 0, 0, 0, 0));
  CHECK(prctl(PR_GET_CHILD_SUBREAPER, &value, 0, 0, 0) == 0);
  fact(m, "prctl subreaper: %d\n", value);
  CHECK(prctl(PR_GET_PDEATHSIG, &value, 0, 0, 0) == 0);
  fact(m, "prctl death signal: %d\n", value);
  CHECK(prctl(PR_GET_NAME, name, 0, 0, 0) == 0);
  fact(m, "thread name: %s\n", name);
  fact(m, "personality: %x\n", (unsigned)personality(0xffffffff));
  fact(m, "group %d, session %d\n", (int)getpgrp(), (int)getsid(0));
}

static inline void float_facts(manners *m) {
  fact(m, "rounding: %d\n", fegetround());
#if defined(__x86_64__)
  unsigned sse;
  unsigned short x87;
  __asm__ volatile("stmxcsr %0" : "=m"(sse));
  __asm__ volatile("fnstcw %0" : "=m"(x87));
  /* Without what has happened, bits 0 to 5: any division sets them. */
  fact(m, "floating point: %x %x\n", sse & ~0x3fu, x87);
#endif
}

/* What only /proc tells. */
static inline void status_facts(manners *m) {
  static const char *const wanted[] = {
      "Umask:",  "Uid:",    "Gid:",    "Groups:",       "SigIgn:",
      "SigCgt:", "SigBlk:", "CapInh:", "CapPrm:",       "CapEff:",
      "CapBnd:", "CapAmb:", "VmLck:",  "NoNewPrivs:",   "Seccomp:",
      "NSpid:",  "THP_en",  "Specul",  "Mems_allowed:", NULL};
  static const char *const files[] = {
      "/proc/self/oom_score_adj", "/proc/self/coredump_filter",
      "/proc/self/comm", "/proc/self/timers", "/proc/self/autogroup"};
  char line[512];
  FILE *file = fopen("/proc/self/status", "re");
  CHECK(file != NULL);
  while (fgets(line, sizeof line, file) != NULL)
    for (int i = 0; wanted[i] != NULL; i++)
      if (strncmp(line, wanted[i], strlen(wanted[i])) == 0) fact(m, "%s", line);
  fclose(file);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    file = fopen(files[i], "re");
    if (file == NULL) continue; /* not on every kernel */
    while (fgets(line, sizeof line, file) != NULL)
      fact(m, "%s: %s", files[i], line);
    fclose(file);
  }
}

/* The three that every process has, and with all: every other. */
static inline void file_facts(manners *m, int all) {
  for (int fd = 0; fd < (all ? 1024 : 3); fd++) {
    struct stat is;
    if (fstat(fd, &is) != 0) continue;
    fact(m, "descriptor %d: %lx %lu, flags %x %x\n", fd,
         (unsigned long)is.st_dev, (unsigned long)is.st_ino,
         (unsigned)fcntl(fd, F_GETFL), (unsigned)fcntl(fd, F_GETFD));
  }
}

static inline manners *manners_now(int all_files) {
  manners *m = calloc(1, sizeof *m);
  CHECK(m != NULL);
  signal_facts(m);
  place_facts(m);
  limit_facts(m);
  schedule_facts(m);
  process_facts(m);
  float_facts(m);
  status_facts(m);
  file_facts(m, all_files);
  return m;
}

/* The first line that is not the same, as it is in b, or NULL. */
static inline const char *manners_differ(const manners *a, const manners *b) {
  static char line[600];
  size_t at = 0, begin = 0;
  while (a->text[at] == b->text[at]) {
    if (a->text[at] == '\0') return NULL;
    if (a->text[at++] == '\n') begin = at;
  }
  snprintf(line, sizeof line, "%.*s", (int)strcspn(b->text + begin, "\n"),
           b->text + begin);
  return line;
}

static inline void manners_check(const manners *before, const char *when) {
  manners *after = manners_now(0);
  const char *line = manners_differ(before, after);
  if (line != NULL)
    test_fail(__FILE__, __LINE__, "after %s it is: %s", when, line);
  free(after);
}

#endif
