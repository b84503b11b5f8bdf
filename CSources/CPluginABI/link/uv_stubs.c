/* Stands in for symbols of the C library in a static libuv; the Makefile
 * renames libuv's references to what is here, hidden in the plugin.
 *
 * Debian's libuv_a.a is position independent but for its references to environ,
 * stderr and in6addr_any, which the linker refuses in a shared object. stderr
 * and in6addr_any have their right values here. environ cannot (setenv moves
 * it) and is read by uv_os_environ and uv_spawn only, which no code of ours
 * calls: Tests/Hosts/plugins.sh looks.
 *
 * The rest keeps a libuv whose descriptors the host has closed from harming
 * that host. The core finds these definitions by weak references (loop.c):
 *
 *   epoll_wait, epoll_pwait  fail on a set that is gone, and libuv aborts: the
 *                            core is told, and libuv finds an event of the
 *                            core's, which brings it back
 *   abort, __assert_fail     on a loop thread: that thread leaves libuv for
 *                            good, and its engine is broken; while a loop is
 *                            made, that loop is given up
 *   pthread_atfork           libuv's handler closes numbers that it had before
 *                            and puts pipes there; the child never uses it
 *   epoll_create1, eventfd,  while a loop is made: hand out what the core has
 *   pipe2                    reserved, since libuv aborts when it gets some and
 *                            not all; at high numbers, besides (fds.c) */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

char **ob__uv_environ = NULL;
FILE *ob__uv_stderr;
const struct in6_addr ob__uv_in6addr_any;

__attribute__((constructor)) static void set_up(void) {
  ob__uv_stderr = stderr;
}

/* --- Sets that are gone -----------------------------------------------------
 */

/* Set by the core. The first returns the descriptor whose event libuv is to
 * find, or -1 if the set is none of its own. */
int (*ob__uv_lost)(int set);
void (*ob__uv_sleep)(int begins); /* or has ended */
void (*ob__uv_dead)(void);

int ob__uv_epoll_pwait(int set, struct epoll_event *events, int size,
                       int timeout, const sigset_t *mask);
int ob__uv_epoll_wait(int set, struct epoll_event *events, int size,
                      int timeout);
void ob__uv_abort(void) __attribute__((noreturn));
void ob__uv_assert_fail(const char *text, const char *file, unsigned line,
                        const char *function) __attribute__((noreturn));

/* By the system call that libuv means: a filter may deny the other one. */
static int wait_by(int pwait, int set, struct epoll_event *events, int size,
                   int timeout, const sigset_t *mask) {
  int (*lost)(int) = __atomic_load_n(&ob__uv_lost, __ATOMIC_RELAXED);
  void (*sleep)(int) = __atomic_load_n(&ob__uv_sleep, __ATOMIC_RELAXED);
  int count, error, fd;
#ifdef OB_BREAK_STUB_SLEEP
  sleep = NULL;
#endif
  if (sleep != NULL && timeout != 0) sleep(1);
  count = pwait ? epoll_pwait(set, events, size, timeout, mask)
                : epoll_wait(set, events, size, timeout);
  error = errno;
  if (sleep != NULL && timeout != 0) sleep(0);
  errno = error;
  if (count >= 0 || error == EINTR || lost == NULL) return count;
  fd = lost(set);
  errno = error;
  if (fd < 0) return count;
  memset(&events[0], 0, sizeof events[0]);
  events[0].events = EPOLLIN;
  events[0].data.fd = fd;
  return 1;
}

int ob__uv_epoll_pwait(int set, struct epoll_event *events, int size,
                       int timeout, const sigset_t *mask) {
  return wait_by(1, set, events, size, timeout, mask);
}

int ob__uv_epoll_wait(int set, struct epoll_event *events, int size,
                      int timeout) {
  return wait_by(0, set, events, size, timeout, NULL);
}

/* --- The last resort --------------------------------------------------------
 */

/* Does not return on a loop thread. */
static void die_alone(void) {
  void (*dead)(void) = __atomic_load_n(&ob__uv_dead, __ATOMIC_RELAXED);
#ifndef OB_BREAK_STUB_ABORT
  if (dead != NULL) dead();
#else
  (void)dead;
#endif
}

void ob__uv_abort(void) {
  die_alone();
  abort();
}

void ob__uv_assert_fail(const char *text, const char *file, unsigned line,
                        const char *function) {
  die_alone();
  fprintf(stderr, "libuv: %s:%u: %s: %s\n", file, line, function, text);
  abort();
}

/* --- Fork -------------------------------------------------------------------
 */

int ob__uv_atfork(void (*prepare)(void), void (*parent)(void),
                  void (*child)(void));
int ob__uv_atfork(void (*prepare)(void), void (*parent)(void),
                  void (*child)(void)) {
  (void)prepare;
  (void)parent;
  (void)child;
#ifdef OB_BREAK_STUB_FORK
  pthread_atfork(prepare, parent, child);
#endif
  return 0;
}

/* --- Descriptors of a loop that is made -------------------------------------
 */

/* An epoll set, an eventfd, two pipes; -1: taken. */
static __thread int *reserved __attribute__((tls_model("initial-exec")));

void ob__uv_reserve(int *fds);
int ob__uv_epoll_create1(int flags);
int ob__uv_eventfd(unsigned count, int flags);
int ob__uv_pipe2(int ends[2], int flags);

void ob__uv_reserve(int *fds) {
  reserved = fds;
}

static int take(int index) {
  int fd = -1;
#ifdef OB_BREAK_STUB_RESERVE
  return -1;
#endif
  if (reserved == NULL) return -1;
  fd = reserved[index];
  reserved[index] = -1;
  return fd;
}

int ob__uv_epoll_create1(int flags) {
  int fd = take(0);
  return fd >= 0 ? fd : epoll_create1(flags);
}

int ob__uv_eventfd(unsigned count, int flags) {
  int fd = count == 0 && (flags & EFD_SEMAPHORE) == 0 ? take(1) : -1;
  return fd >= 0 ? fd : eventfd(count, flags);
}

/* Reserved ones are blocking. */
int ob__uv_pipe2(int ends[2], int flags) {
  int first, i;
  for (first = 2; first <= 4; first += 2) {
    ends[0] = take(first);
    ends[1] = take(first + 1);
    if (ends[0] < 0) continue;
    for (i = 0; i < 2 && (flags & O_NONBLOCK); i++)
      fcntl(ends[i], F_SETFL, fcntl(ends[i], F_GETFL) | O_NONBLOCK);
    return 0;
  }
  return pipe2(ends, flags);
}
