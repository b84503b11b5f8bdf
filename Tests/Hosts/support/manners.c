/* See manners.h. Written with open_memstream, read from /proc/self. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "manners.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

extern char **environ;

void manners_free(char *text) {
  free(text);
}

/* --- State ---------------------------------------------------------------- */

static void put_mask(FILE *out, const sigset_t *set) {
  uint64_t bits = 0;
  int number;
  for (number = 1; number <= 64; number++)
    if (sigismember(set, number) == 1) bits |= UINT64_C(1) << (number - 1);
  fprintf(out, "%016llx", (unsigned long long)bits);
}

static void put_signals(FILE *out) {
  struct sigaction action;
  sigset_t mask;
  int number;
  for (number = 1; number < NSIG; number++) {
    if (sigaction(number, NULL, &action) != 0) continue;
    fprintf(out, "signal %d: %p flags %x mask ", number,
            (void *)(uintptr_t)action.sa_sigaction, (unsigned)action.sa_flags);
    put_mask(out, &action.sa_mask);
    fputc('\n', out);
  }
  pthread_sigmask(SIG_BLOCK, NULL, &mask);
  fputs("mask of this thread: ", out);
  put_mask(out, &mask);
  fputc('\n', out);
}

static void put_limits(FILE *out) {
  struct rlimit limit;
  struct itimerval timer;
  int which;
  for (which = 0; which < RLIMIT_NLIMITS; which++)
    if (getrlimit((__rlimit_resource_t)which, &limit) == 0)
      fprintf(out, "limit %d: %llu %llu\n", which,
              (unsigned long long)limit.rlim_cur,
              (unsigned long long)limit.rlim_max);
  for (which = ITIMER_REAL; which <= ITIMER_PROF; which++)
    if (getitimer((__itimer_which_t)which, &timer) == 0)
      fprintf(out, "interval timer %d: every %ld.%06ld s\n", which,
              (long)timer.it_interval.tv_sec, (long)timer.it_interval.tv_usec);
}

/* Not by umask(2), which sets it: threads that look at once would leave it
 * changed. */
static unsigned read_umask(void) {
  FILE *status = fopen("/proc/self/status", "r");
  char line[256];
  unsigned mask = 0;
  int found = 0;
  while (status != NULL && fgets(line, sizeof line, status) != NULL)
    found |= sscanf(line, "Umask: %o", &mask) == 1;
  if (status != NULL) fclose(status);
  return found ? mask : ~0u;
}

static void put_surroundings(FILE *out) {
  char path[4096];
  char **variable;
  fprintf(out, "umask: %03o\n", read_umask());
  fprintf(out, "working directory: %s\n",
          getcwd(path, sizeof path) != NULL ? path : strerror(errno));
  fprintf(out, "locale: %s\n", setlocale(LC_ALL, NULL));
  for (variable = environ; variable != NULL && *variable != NULL; variable++)
    fprintf(out, "environment: %s\n", *variable);
}

static void put_attributes(FILE *out) {
  static const struct {
    int option;
    const char *name;
  } flags[] = {{PR_GET_DUMPABLE, "dumpable"},
               {PR_GET_KEEPCAPS, "keep capabilities"},
               {PR_GET_NO_NEW_PRIVS, "no new privileges"},
               {PR_GET_TIMERSLACK, "timer slack"},
               {PR_GET_THP_DISABLE, "no huge pages"},
               {PR_GET_SECCOMP, "seccomp"}};
  char name[16] = "";
  int signal_number = 0, reaper = 0;
  cpu_set_t set;
  size_t i;
  prctl(PR_GET_NAME, name);
  fprintf(out, "name of this thread: %s\n", name);
  prctl(PR_GET_PDEATHSIG, &signal_number);
  prctl(PR_GET_CHILD_SUBREAPER, &reaper);
  fprintf(out, "parent death signal: %d, subreaper: %d\n", signal_number,
          reaper);
  for (i = 0; i < sizeof flags / sizeof *flags; i++)
    fprintf(out, "%s: %d\n", flags[i].name, prctl(flags[i].option, 0, 0, 0, 0));
  fprintf(out, "rounding: %d, exceptions that trap: %d\n", fegetround(),
          fegetexcept());
  fprintf(out, "policy: %d, nice: %d\n", sched_getscheduler(0),
          getpriority(PRIO_PROCESS, 0));
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    fprintf(out, "processors: %d\n", CPU_COUNT(&set));
}

char *manners_state(void) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return NULL;
  put_signals(out);
  put_limits(out);
  put_surroundings(out);
  put_attributes(out);
  if (fclose(out) != 0) return NULL;
  return text;
}

/* --- Descriptors ---------------------------------------------------------- */

char *manners_descriptors(void) {
  char *text = NULL, path[64], target[4096];
  size_t size = 0;
  struct dirent *entry;
  DIR *folder;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return NULL;
  folder = opendir("/proc/self/fd");
  while (folder != NULL && (entry = readdir(folder)) != NULL) {
    int fd = atoi(entry->d_name), flags;
    ssize_t length;
    if (entry->d_name[0] == '.' || fd == dirfd(folder)) continue;
    flags = fcntl(fd, F_GETFD);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    fprintf(out, "%d %s %s\n", fd,
            (flags & FD_CLOEXEC) != 0 ? "cloexec" : "inherited", target);
  }
  if (folder != NULL) closedir(folder);
  if (fclose(out) != 0) return NULL;
  return text;
}

/* --- Threads -------------------------------------------------------------- */

/* A fault raised by an instruction cannot be held back: blocked, it kills. */
static uint64_t faults(void) {
  static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                SIGTRAP, SIGSYS, SIGABRT};
  uint64_t bits = 0;
  size_t i;
  for (i = 0; i < sizeof numbers / sizeof *numbers; i++)
    bits |= UINT64_C(1) << (numbers[i] - 1);
  return bits;
}

/* Those of the C library itself (32, 33) and those nobody can block. */
static uint64_t beside(void) {
  return UINT64_C(3) << 31 | UINT64_C(1) << (SIGKILL - 1) |
         UINT64_C(1) << (SIGSTOP - 1);
}

static void put_thread(FILE *out, const char *id) {
  char path[64], line[512], name[32] = "?";
  unsigned long long blocked = 0;
  FILE *status;
  snprintf(path, sizeof path, "/proc/self/task/%.20s/status", id);
  status = fopen(path, "re");
  if (status == NULL) return; /* it has just ended */
  while (fgets(line, sizeof line, status) != NULL) {
    sscanf(line, "Name: %31[^\n]", name);
    sscanf(line, "SigBlk: %llx", &blocked);
  }
  fclose(status);
  if ((blocked | beside()) == (~faults() | beside()))
    fprintf(out, "%s %s process\n", id, name);
  else
    fprintf(out, "%s %s %016llx\n", id, name, blocked);
}

char *manners_threads(void) {
  char *text = NULL;
  size_t size = 0;
  struct dirent *entry;
  DIR *folder;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return NULL;
  folder = opendir("/proc/self/task");
  while (folder != NULL && (entry = readdir(folder)) != NULL)
    if (entry->d_name[0] != '.') put_thread(out, entry->d_name);
  if (folder != NULL) closedir(folder);
  if (fclose(out) != 0) return NULL;
  return text;
}

/* --- Comparing ------------------------------------------------------------ */

static int has_line(const char *text, const char *line, size_t length) {
  const char *at = text;
  while (*at != '\0') {
    size_t here = strcspn(at, "\n");
    if (here == length && memcmp(at, line, length) == 0) return 1;
    at += here;
    if (*at == '\n') at++;
  }
  return 0;
}

static void put_missing(FILE *out, char sign, const char *in,
                        const char *from) {
  const char *at = in;
  while (*at != '\0') {
    size_t length = strcspn(at, "\n");
    if (!has_line(from, at, length))
      fprintf(out, "%c%.*s\n", sign, (int)length, at);
    at += length;
    if (*at == '\n') at++;
  }
}

char *manners_difference(const char *before, const char *after) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return NULL;
  put_missing(out, '-', before, after);
  put_missing(out, '+', after, before);
  if (fclose(out) != 0) return NULL;
  return text;
}

/* --- Symbols -------------------------------------------------------------- */

unsigned long manners_global(const char *symbol) {
  return (unsigned long)(uintptr_t)dlsym(RTLD_DEFAULT, symbol);
}

char *manners_file_of(unsigned long address) {
  Dl_info info;
  if (address != 0 && dladdr((void *)(uintptr_t)address, &info) != 0 &&
      info.dli_fname != NULL)
    return strdup(info.dli_fname);
  return strdup("");
}
