/* A host that closes every descriptor, as closefrom(3) does in a daemon, and
 * opens files of its own under the numbers of the engine: nothing may be
 * written to them, read from them, closed or replaced. */
#ifndef STRANGERS_H
#define STRANGERS_H

#include <dirent.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "probe.h"

#define LAST_STRANGER 1000 /* the engine's are from 512 on */

typedef enum kind {
  NOTHING,
  FILES,
  PIPES,
  SOCKETS,
  EVENTFDS,
  EPOLLS,
  KINDS
} kind;

typedef struct stranger {
  struct stat stat_of;
  kind kind;
} stranger;

static stranger strangers[LAST_STRANGER];
static int first_stranger, stranger_writer, stranger_event;

#define STRANGER_TEXT "a file of the host's"

/* One of a kind that would show what is done to it. */
static inline int open_one(kind of) {
  int ends[2], fd = -1;
  switch (of) {
    case FILES:
      fd = memfd_create("stranger", MFD_CLOEXEC);
      CHECK(write(fd, STRANGER_TEXT, sizeof STRANGER_TEXT) > 0);
      break;
    case PIPES: /* a byte in it, for who reads */
      CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
      CHECK(write(ends[1], "x", 1) == 1);
      stranger_writer = ends[1];
      fd = ends[0];
      break;
    case SOCKETS:
      CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
      CHECK(write(ends[1], "x", 1) == 1);
      stranger_writer = ends[1];
      fd = ends[0];
      break;
    case EVENTFDS:
      fd = eventfd(7, EFD_CLOEXEC | EFD_NONBLOCK);
      break;
    default: { /* with one member that is ready, once */
      struct epoll_event event = {.events = EPOLLIN | EPOLLET};
      fd = epoll_create1(EPOLL_CLOEXEC);
      stranger_event = eventfd(1, EFD_CLOEXEC);
      event.data.fd = stranger_event;
      CHECK(epoll_ctl(fd, EPOLL_CTL_ADD, stranger_event, &event) == 0);
    }
  }
  CHECK(fd >= 0);
  return fd;
}

/* Closes all from 3 on; then each number up to the last is one of the kind, or
 * a duplicate of one. */
static inline void take_over(kind of) {
  int fd, first;
  CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
  if (of == NOTHING) return;
  first = open_one(of);
  first_stranger = first;
  for (fd = first; fd < LAST_STRANGER; fd = dup(first)) {
    CHECK(fd >= 0); /* not those that the engine may have opened meanwhile */
    strangers[fd].kind = of;
    CHECK(fstat(fd, &strangers[fd].stat_of) == 0);
  }
}

static inline void check_one(int fd) {
  struct stat now;
  const struct stat *then = &strangers[fd].stat_of;
  if (fstat(fd, &now) != 0)
    test_fail(__FILE__, __LINE__, "stranger %d was closed", fd);
  if (now.st_ino != then->st_ino || now.st_dev != then->st_dev ||
      now.st_size != then->st_size || now.st_mode != then->st_mode)
    test_fail(__FILE__, __LINE__, "stranger %d was replaced or written", fd);
}

/* Nothing has happened to any of them. */
static inline void check_strangers(kind of) {
  char text[64] = "";
  struct epoll_event event;
  uint64_t count = 0;
  int fd, bytes = 0;
  if (of == NOTHING) return;
  fd = first_stranger;
  for (; fd < LAST_STRANGER; fd++)
    if (strangers[fd].kind != NOTHING) check_one(fd);
  fd = first_stranger;
  switch (of) {
    case FILES:
      CHECK(pread(fd, text, sizeof text, 0) == sizeof STRANGER_TEXT);
      CHECK(strcmp(text, STRANGER_TEXT) == 0);
      break;
    case PIPES:
    case SOCKETS:
      CHECK(ioctl(fd, FIONREAD, &bytes) == 0);
      CHECK_EQ(bytes, 1);
      break;
    case EVENTFDS:
      CHECK(read(fd, &count, sizeof count) == sizeof count);
      CHECK_EQ(count, 7);
      break;
    default:
      CHECK_EQ(epoll_wait(fd, &event, 1, 0), 1); /* nobody has had the edge */
      CHECK_EQ(event.data.fd, stranger_event);
  }
}

/* CPU time of the whole process, ns. */
static inline uint64_t cpu_ns(void) {
  struct rusage usage;
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) *
             S +
         ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) *
             1000;
}

#endif
