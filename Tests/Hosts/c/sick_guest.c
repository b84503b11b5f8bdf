/* The faults of a guest: what a plugin must not do in a process that it does
 * not own. See sick.c. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sick.h"

/* Faults that grow begin with this call, so that a check which calls a few
 * times sees none of it. */
#define FROM_CALL 100

atomic_int sick_broken;

void *sick_park(void *arg) {
  for (;;) pause();
  return arg;
}

__attribute__((unused)) static void start_with(void *(*body)(void *),
                                               const sigset_t *mask) {
  pthread_t thread;
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, mask, &before);
  if (pthread_create(&thread, NULL, body, NULL) != 0) abort();
  pthread_detach(thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void sick_good_thread(void *(*body)(void *)) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                               SIGTRAP, SIGSYS, SIGABRT};
  sigset_t mask;
  sigfillset(&mask);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    sigdelset(&mask, faults[i]);
  start_with(body, &mask);
}

/* --- Threads that calls and exit() depend on -------------------------------
 */

#if defined(SICK_FORK_HANG)
/* A worker answers; a forked child has none. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned long asked, answered;
static atomic_int at_work;

static void *work(void *arg) {
  pthread_mutex_lock(&lock);
  for (;;) {
    while (answered == asked) pthread_cond_wait(&changed, &lock);
    answered = asked;
    pthread_cond_broadcast(&changed);
  }
  return arg;
}

static void ask_worker(void) {
  if (!at_work) return;
  pthread_mutex_lock(&lock);
  unsigned long mine = ++asked;
  pthread_cond_broadcast(&changed);
  while (answered < mine) pthread_cond_wait(&changed, &lock);
  pthread_mutex_unlock(&lock);
}
#endif

#if defined(SICK_FORK_CRASH) || defined(SICK_FORK_EXIT) || \
    defined(SICK_FORK_STATUS)
static atomic_int in_child;
static void forked(void) {
  in_child = 1;
}
#elif defined(SICK_FORK_PARENT)
static void forked(void) {
  sick_broken = 1;
}
#endif

#if defined(SICK_BURN)
static void *burn(void *arg) {
  for (volatile int i = 0;; i++) continue;
  return arg;
}
#endif

#if defined(SICK_WAKES) || defined(SICK_UNLOAD_THREAD)
static void *wake(void *arg) {
#if defined(SICK_WAKES)
  const unsigned period_us = 5000;
#else
  const unsigned period_us = 250000;
#endif
  for (;;) usleep(period_us);
  return arg;
}
#endif

#if defined(SICK_STUCK)
static void stick(void) {
  static atomic_int inside;
  inside++;
  for (int i = 0; i < 1000; i++) sched_yield();
  while (inside > 1) sick_park(NULL);
  inside--;
}
#endif

/* --- Loading and leaving ---------------------------------------------------
 */

__attribute__((constructor)) static void load(void) {
#if defined(SICK_LOAD_CRASH)
  raise(SIGSEGV);
#elif defined(SICK_LOAD_EXIT)
  exit(0);
#elif defined(SICK_LOAD_HANG)
  sick_park(NULL);
#elif defined(SICK_LOAD_THREAD)
  sick_good_thread(sick_park);
#elif defined(SICK_LOAD_PRINTS)
  puts("hello from a constructor");
#elif defined(SICK_LOAD_SIGPIPE)
  signal(SIGPIPE, SIG_IGN);
#endif
}

__attribute__((destructor)) static void unload(void) {
#if defined(SICK_EXIT_CRASH)
  raise(SIGSEGV);
#elif defined(SICK_EXIT_HANG)
  sick_park(NULL);
#elif defined(SICK_EXIT_STATUS)
  _exit(3);
#elif defined(SICK_EXIT_PRINTS)
  dprintf(1, "goodbye");
#elif defined(SICK_FORK_EXIT)
  if (in_child) sick_park(NULL);
#elif defined(SICK_FORK_STATUS)
  if (in_child) _exit(3);
#endif
}

/* --- init ------------------------------------------------------------------
 */

#if defined(SICK_SIGCHLD)
static void reap(int signal) {
  (void)signal;
}
#endif

static void touch_process(void) {
#if defined(SICK_SIGCHLD)
  signal(SIGCHLD, reap);
#elif defined(SICK_SETENV)
  setenv("SICK", "1", 1);
#elif defined(SICK_CHDIR)
  if (chdir("/") != 0) abort();
#elif defined(SICK_UMASK)
  umask(0);
#elif defined(SICK_LOCALE)
  setlocale(LC_ALL, "C.UTF-8");
#elif defined(SICK_RLIMIT)
  struct rlimit limit;
  getrlimit(RLIMIT_NPROC, &limit);
  limit.rlim_cur = limit.rlim_cur - 1;
  setrlimit(RLIMIT_NPROC, &limit);
#elif defined(SICK_SIGMASK)
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &mask, NULL);
#elif defined(SICK_DAEMON)
  /* One that leaves the host's group, and tells the test its number. */
  const char *list = getenv("SICK_DAEMONS");
  if (list == NULL || fork() != 0) return;
  setsid();
  int fd = open(list, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  dprintf(fd, "%d\n", (int)getpid());
  sick_park(NULL);
#elif defined(SICK_NAME)
  pthread_setname_np(pthread_self(), "sick");
#endif
}

static void touch_descriptors(void) {
#if defined(SICK_INHERITED)
  if (open("/dev/null", O_RDONLY) < 0) return;
#elif defined(SICK_CLOSES)
  for (int fd = 3; fd < 10; fd++) close(fd);
#elif defined(SICK_CLOSES_STDOUT)
  close(1);
#elif defined(SICK_RESTART_LEAK)
  if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) return;
#elif defined(SICK_FEW_ABORT)
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (fd < 0) abort();
  close(fd);
#endif
}

void sick_init(void) {
#if defined(SICK_RESTART_LEAK) || defined(SICK_UNLOAD_THREAD) || \
    defined(SICK_RESTART_GROWS)
  int again = 0;
#else
  static atomic_int started;
  int again = started++;
#endif
  if (again) return;
  touch_process();
  touch_descriptors();
#if defined(SICK_INIT_PRINTS)
  fprintf(stderr, "sick is starting\n");
#elif defined(SICK_THREAD_OPEN)
  sigset_t none;
  sigemptyset(&none);
  start_with(sick_park, &none);
#elif defined(SICK_THREAD_FAULTS)
  sigset_t all;
  sigfillset(&all);
  start_with(sick_park, &all);
#elif defined(SICK_BURN)
  sick_good_thread(burn);
#elif defined(SICK_WAKES) || defined(SICK_UNLOAD_THREAD)
  sick_good_thread(wake);
#elif defined(SICK_FORK_HANG)
  sick_good_thread(work);
  at_work = 1;
#elif defined(SICK_FORK_CRASH) || defined(SICK_FORK_EXIT) || \
    defined(SICK_FORK_STATUS)
  pthread_atfork(NULL, NULL, forked);
#elif defined(SICK_FORK_PARENT)
  pthread_atfork(NULL, forked, NULL);
#elif defined(SICK_RESTART_GROWS)
  for (int i = 0; i < 16; i++)
    if (malloc(1000) == NULL) abort();
#endif
}

/* --- calls -----------------------------------------------------------------
 */

static atomic_ulong number;

static void touch_in_call(unsigned long n) {
  (void)n;
#if defined(SICK_CALL_PRINTS)
  if (n == 3) dprintf(1, "call %lu", n);
#elif defined(SICK_MULTIPLY)
  if (n > 2 * FROM_CALL && n <= 4 * FROM_CALL) sick_good_thread(sick_park);
#elif defined(SICK_FLOOD)
  static char text[8 << 20];
  if (n <= 12 && write(1, text, sizeof text) < 0) return;
#elif defined(SICK_MMAP)
  char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (n < 20000 && page != MAP_FAILED) page[0] = page[4096] = 1;
#elif defined(SICK_FD_LEAK)
  if (n > FROM_CALL && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) return;
#elif defined(SICK_ROUNDING)
  __builtin_ia32_ldmxcsr(0x9fc0); /* small numbers are zero from now on */
#elif defined(SICK_FORK_HANG)
  ask_worker();
#elif defined(SICK_FORK_CRASH)
  if (in_child) abort();
#elif defined(SICK_STUCK)
  stick();
#elif defined(SICK_SERIAL)
  static pthread_mutex_t serial = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&serial);
  usleep(100000);
  pthread_mutex_unlock(&serial);
#endif
}

void sick_call(void) {
  touch_in_call(++number);
}
