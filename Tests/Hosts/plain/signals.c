/* Signals to a host with calls in flight: its handlers run, on its threads. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"

/* How long a signal may take that never has to: $PATIENCE seconds. */
static int patience_ms(void) {
  const char *seconds = getenv("PATIENCE");
  return seconds == NULL ? 15000 : atoi(seconds) * 1000;
}

static pid_t ours[CROWD + 1]; /* __atomic: the host's threads */
static unsigned known;        /* __atomic */
static pid_t ran_on;          /* __atomic: the thread that the handler ran on */

static pid_t self(void) {
  return (pid_t)syscall(SYS_gettid);
}

static void enlist(void) {
  unsigned at = __atomic_fetch_add(&known, 1, __ATOMIC_SEQ_CST);
  __atomic_store_n(&ours[at], self(), __ATOMIC_SEQ_CST);
}

static int is_ours(pid_t id) {
  unsigned i;
  for (i = 0; i <= CROWD; i++)
    if (__atomic_load_n(&ours[i], __ATOMIC_SEQ_CST) == id) return 1;
  return 0;
}

static void on_signal(int number) {
  (void)number;
  __atomic_store_n(&ran_on, self(), __ATOMIC_SEQ_CST);
}

static void wait_enlisted(void *arg, unsigned thread) {
  enlist();
  caller_wait(&((struct callers *)arg)->clock, 700, 600 + thread);
  caller_price(&((struct callers *)arg)->pricing, thread);
}

static struct crowd *begin(struct callers *both) {
  int64_t before;
  struct crowd *waiting;
  *both = callers_load();
  before = caller_submitted(&both->clock);
  enlist();
  waiting = crowd_begin(CROWD, wait_enlisted, both);
  await_submitted(&both->clock, before, CROWD);
  puts("ready");
  fflush(stdout);
  return waiting;
}

static void handle(int number) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, NULL);
}

static void say_handled(void) {
  if (caller_mistakes() > 0) return;
  puts("handled");
  fflush(stdout);
}

static void finish(struct crowd *waiting) {
  crowd_end(waiting);
  say_handled();
}

/* The host's handler, on whichever of the host's threads. */
void show_handler(void) {
  struct callers both;
  struct crowd *waiting;
  int64_t begun;
  handle(SIGTERM);
  handle(SIGINT);
  waiting = begin(&both);
  begun = caller_now_ms();
  while (__atomic_load_n(&ran_on, __ATOMIC_SEQ_CST) == 0 &&
         caller_now_ms() - begun < patience_ms())
    usleep(1000);
  if (ran_on == 0)
    caller_wrong("the host's handler did not run");
  else if (!is_ours(ran_on))
    caller_wrong("the host's handler ran on a thread of the plugin's");
  finish(waiting);
}

/* A host that blocks it in all its threads and reads it from a descriptor. */
void show_signalfd(void) {
  struct callers both;
  struct crowd *waiting;
  struct pollfd ready = {-1, POLLIN, 0};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  ready.fd = signalfd(-1, &set, SFD_CLOEXEC);
  handle(SIGTERM);
  handle(SIGINT);
  waiting = begin(&both);
  /* Read late: until then it is any thread's that has not blocked it. */
  crowd_end(waiting);
  while (poll(&ready, 1, patience_ms()) < 0 && errno == EINTR) {
  }
  if (ran_on != 0)
    caller_wrong("a thread of the plugin's took the signal");
  else if (ready.revents == 0)
    caller_wrong("the host never got its signal");
  say_handled();
}

/* --- Faults ----------------------------------------------------------------
 */

static __thread sigjmp_buf *way_back;

static void on_fault(int number, siginfo_t *info, void *context) {
  (void)number, (void)info, (void)context;
  if (way_back == NULL) _exit(70); /* a fault that is none of ours */
  siglongjmp(*way_back, 1);
}

/* As a JVM does for its null checks: the fault is meant, and is handled. */
static void fault_often(void *arg, unsigned thread) {
  volatile int *nowhere = arg;
  sigjmp_buf here;
  volatile unsigned i;
  (void)thread;
  way_back = &here;
  for (i = 0; i < 1000; i++) {
    if (sigsetjmp(here, 1) != 0) continue;
    *nowhere = 1;
    caller_wrong("a store to a forbidden page went through");
  }
  way_back = NULL;
}

void show_fault(void) {
  struct callers both;
  struct crowd *waiting, *faulting;
  struct sigaction action;
  void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) abort();
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, NULL);
  waiting = begin(&both);
  faulting = crowd_begin(4, fault_often, page);
  crowd_end(faulting);
  finish(waiting);
}
