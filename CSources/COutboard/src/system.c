/* System calls that a host may have denied, by a seccomp filter say. Without
 * these, libuv and the C library do not report an error but abort, at the first
 * use and so perhaps much later, or go on with too few signals blocked. They
 * are tried before an engine starts and before it makes its libuv loop, each
 * time that there is a filter: it may have come since. Without one they are not
 * denied. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
#endif

/* Too few descriptors, or no memory: for now, and reported by who needs them.
 */
static int is_shortage(int code) {
  return code == EMFILE || code == ENFILE || code == ENOMEM;
}

static int denied(const char *call, int code) {
  if (is_shortage(code)) return OB_OK;
  return ob__fail(OB_ESYSTEM,
                  "%s: %s; a seccomp filter that denies it must let it pass, "
                  "since an engine cannot do without",
                  call, strerror(code));
}

/* Locks and conditions of the C library, and parking. */
int ob__system_locks(void) {
#ifndef OB_BREAK_NEED_LOCKS
  uint32_t word = 0;
  if (syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) != 0)
    return denied("futex", errno);
#endif
  return OB_OK;
}

/* A thread whose maker has a record for rseq must get one, or the C library
 * ends the process. */
static int check_threads(void) {
#if defined(RSEQ_SIG) && defined(SYS_rseq) && !defined(OB_BREAK_NEED_RSEQ)
  /* EINVAL: there is a record already, and not at this address. */
  if (__rseq_size != 0 && syscall(SYS_rseq, NULL, 0, 0, 0) != 0 &&
      errno != EINVAL)
    return denied("rseq", errno);
#endif
  return OB_OK;
}

/* As libuv of that version waits. */
static int wait_once(int set) {
  struct epoll_event event;
  return uv_version() < 0x012d00 ? epoll_wait(set, &event, 1, 0)
                                 : epoll_pwait(set, &event, 1, 0, NULL);
}

/* What a loop does with its descriptors. */
static int check_loop(const int ends[2]) {
  struct epoll_event event;
  int on = 1, set, rc = OB_OK;
  if (fcntl(ends[0], F_GETFD) < 0) return denied("fcntl", errno);
  if (ioctl(ends[0], FIONBIO, &on) != 0) return denied("ioctl", errno);
  if (write(ends[1], "", 1) != 1) return denied("write", errno);
  set = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (set < 0) return denied("eventfd2", errno);
  close(set);
  set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) return denied("epoll_create1", errno);
  memset(&event, 0, sizeof event);
  event.events = EPOLLIN;
  if (epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) != 0)
    rc = denied("epoll_ctl", errno);
  else if (wait_once(set) < 0)
    rc = denied("epoll_wait", errno);
  close(set);
  return rc;
}

static int check_descriptors(void) {
  int ends[2], rc = OB_OK;
#ifndef OB_BREAK_NEED_LOOP
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return denied("pipe2", errno);
  rc = check_loop(ends);
  close(ends[0]);
  close(ends[1]);
#endif
  return rc;
}

/* Several times what a new loop takes. */
#define LOOP_MEMORY 65536

/* libuv aborts when it gets its first memory and not the next. A host whose
 * other threads use it up meanwhile can still win the race. */
int ob__system_memory(void) {
#ifndef OB_BREAK_NEED_MEMORY
  void *volatile memory = malloc(LOOP_MEMORY); /* volatile: it is not unused */
  if (memory == NULL) return ob__fail(OB_ENOMEM, "no memory for the loop");
  free(memory);
#endif
  return OB_OK;
}

/* This thread, and so those that it will make; or the question is denied. */
static int is_filtered(void) {
  return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0;
}

int ob__system_check(void) {
  int old = ob__cancel_off(); /* a restart comes here from any call */
  int rc = OB_OK;
  if (is_filtered()) {
    rc = ob__system_locks();
    if (rc == OB_OK) rc = check_threads();
    if (rc == OB_OK) rc = check_descriptors();
  }
  ob__cancel_restore(old);
  return rc;
}
