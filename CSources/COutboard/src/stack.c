/* The stack of a thread that stalls, by a signal that the host has named.
 *
 * Nothing else can tell where another thread of the process is: its frame
 * pointer is in its registers, ptrace refuses threads of one's own process, and
 * a chain that is read while it changes leads anywhere. So the watchdog borrows
 * the disposition of one signal, which the host says it uses for nothing else,
 * for as long as the capture takes, and refuses one that has a handler.
 *
 * In the handler: backtrace. It is loaded beforehand, and allocates and locks
 * nothing since glibc 2.35 finds unwind tables without the dynamic linker's
 * lock.
 *
 * A thread that does not get the signal in time (uninterruptible in the kernel,
 * or with it blocked by the handler) keeps it pending, and to give the
 * disposition back would kill the process when it arrives. So ours then stays
 * until it has. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <execinfo.h>
#endif

#include "internal.h"

#define LOOK_NS 100000 /* between looks whether it has come */
#define LOOKS 500      /* 50 ms and more */
#define OWN_FRAMES 8   /* of the handler's, more than there are */

/* One capture at a time: the watchdog's. */
static struct {
  int tid;       /* whose; before the signal is sent */
  int count;     /* handler, before arrived */
  int arrived;   /* handler, release */
  int installed; /* watchdog: the signal whose disposition we hold, or 0 */
  uintptr_t at;  /* handler: where it was interrupted */
  struct sigaction before;
  void *frames[OB_STALL_FRAMES + OWN_FRAMES];
} capture;

static int usable(int number) {
  return number == SIGUSR1 || number == SIGUSR2 ||
         (number >= SIGRTMIN && number <= SIGRTMAX);
}

#if defined(__GLIBC__)
static void on_signal(int number, siginfo_t *info, void *context);

/* By the handler: what `installed` says is a moment behind, or ahead. By that
 * alone: ThreadSanitizer's sigaction gives handler and flags of different
 * times. */
static int is_hosts(const struct sigaction *now) {
#ifdef OB_BREAK_OWN_SIGNAL
  return now->sa_handler != SIG_DFL &&
         ob__load_relaxed(&capture.installed) == 0;
#endif
  return now->sa_handler != SIG_DFL &&
         (uintptr_t)now->sa_handler != (uintptr_t)on_signal;
}
#endif

int ob__stack_check(int number) {
  struct sigaction now;
  if (!usable(number))
    return ob__fail(OB_EINVAL,
                    "ob_inspect: opts.stack_signal is %d; it must be SIGUSR1, "
                    "SIGUSR2 or a real-time signal",
                    number);
#if defined(__GLIBC__)
  if (sigaction(number, NULL, &now) != 0)
    return ob__fail(OB_EINVAL, "ob_inspect: opts.stack_signal: %s",
                    strerror(errno));
  if (is_hosts(&now))
    return ob__fail(OB_EBUSY,
                    "ob_inspect: signal %d has a handler already; name one in "
                    "opts.stack_signal that the host does not use",
                    number);
  return OB_OK;
#else
  (void)now;
  return ob__fail(OB_EINVAL,
                  "ob_inspect: this system has no backtrace(); leave "
                  "opts.stack_signal at 0");
#endif
}

#if defined(__GLIBC__)

static uintptr_t interrupted_at(const void *context) {
#if defined(__x86_64__)
  const ucontext_t *user = context;
  return (uintptr_t)user->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
  const ucontext_t *user = context;
  return (uintptr_t)user->uc_mcontext.pc;
#else
  (void)context;
  return 0;
#endif
}

static void on_signal(int number, siginfo_t *info, void *context) {
  int error = errno;
  (void)number;
  (void)info;
  if ((int)syscall(SYS_gettid) == capture.tid &&
      !ob__load_relaxed(&capture.arrived)) {
    capture.at = interrupted_at(context);
    capture.count = backtrace(capture.frames, OB_STALL_FRAMES + OWN_FRAMES);
    ob__store_release(&capture.arrived, 1);
  }
  errno = error;
}

/* 1: the disposition is the host's again. */
static int give_back(void) {
  if (capture.installed == 0) return 1;
  if (!ob__load_acquire(&capture.arrived)) return 0;
  sigaction(capture.installed, &capture.before, NULL);
  ob__store_relaxed(&capture.installed, 0);
  return 1;
}

static int send_signal(int number, int tid) {
  struct sigaction ours;
  memset(&ours, 0, sizeof ours);
  ours.sa_sigaction = on_signal;
  ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  sigfillset(&ours.sa_mask);
  capture.tid = tid;
  capture.count = 0;
  capture.at = 0;
  ob__store_relaxed(&capture.arrived, 0);
  if (ob__stack_check(number) != OB_OK ||
      sigaction(number, &ours, &capture.before) != 0)
    return 0;
#ifdef OB_BREAK_OWN_SIGNAL /* a window, made wider */
  for (int i = 0; i < 4000; i++) ob__pause();
#endif
  ob__store_relaxed(&capture.installed, number);
  if (syscall(SYS_tgkill, getpid(), tid, number) == 0) return 1;
  ob__store_relaxed(&capture.arrived, 1); /* it has ended: nothing comes */
  give_back();
  return 0;
}

/* From where it was interrupted on; without the handler's own frames. */
static uint32_t copy_frames(uint64_t *frames, uint32_t capacity) {
  int from, i;
  uint32_t count = 0;
  for (from = 0; from < capture.count; from++)
    if ((uintptr_t)capture.frames[from] == capture.at) break;
  if (from == capture.count) from = capture.count > 2 ? 2 : 0;
  for (i = from; i < capture.count && count < capacity; i++)
    frames[count++] = (uint64_t)(uintptr_t)capture.frames[i];
  return count;
}

uint32_t ob__stack_capture(int number, int tid, uint64_t *frames,
                           uint32_t capacity) {
  const struct timespec pause = {0, LOOK_NS};
  uint32_t count;
  void *warm[2];
  int looks;
  if (!give_back()) return 0;
  (void)backtrace(warm, 2); /* loads the unwinder, which is not for handlers */
  if (!send_signal(number, tid)) return 0;
  for (looks = 0; looks < LOOKS && !ob__load_acquire(&capture.arrived); looks++)
    nanosleep(&pause, NULL);
  if (!ob__load_acquire(&capture.arrived)) return 0;
  count = copy_frames(frames, capacity);
  give_back();
  return count;
}

#else

uint32_t ob__stack_capture(int number, int tid, uint64_t *frames,
                           uint32_t capacity) {
  (void)number, (void)tid, (void)frames, (void)capacity;
  return 0;
}

#endif
