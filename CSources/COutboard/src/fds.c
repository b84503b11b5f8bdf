/* The engine's descriptors, and whether a number still stands for them.
 *
 * A host may close what is not its own (closefrom, a daemon's loop over 3 to
 * 255, close_range) and open files of its own under the same numbers. Two
 * things keep us off those. What matters most lives at high numbers, since new
 * descriptors are handed out lowest first. And nothing is used or closed by its
 * number alone: an epoll set knows each of its members as a pair of number and
 * file, so that asking the set about a member says at once that the number of
 * the set is still an epoll set's, and that the member is still the file that
 * was put in. The numbers of eventfds go round, so that a new pair is not the
 * one that somebody has just lost. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

/* Raw, as libuv closes (ThreadSanitizer must see both or neither), and since
 * close is a cancellation point. */
void ob__fd_close(int fd) {
  int saved = errno;
  syscall(SYS_close, fd);
  errno = saved;
}

/* Below 1024, since a host may wait for some by select. The last ranges are for
 * those who have a low RLIMIT_NOFILE. */
static int raise_to(int fd, uint32_t turn) {
  static const struct {
    int first;
    uint32_t count;
  } ranges[] = {{512, 448}, {192, 256}, {64, 96}};
  int saved = errno, high;
  size_t i;
#ifdef OB_BREAK_RAISE
  return fd;
#endif
  for (i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
    if (fd >= ranges[i].first && turn == 0) break;
    high = fcntl(fd, F_DUPFD_CLOEXEC,
                 ranges[i].first + (int)(turn % ranges[i].count));
    if (high < 0) continue;
#ifdef OB_BREAK_CLOEXEC
    fcntl(high, F_SETFD, 0);
#endif
    ob__fd_close(fd);
    fd = high;
    break;
  }
  errno = saved;
  return fd;
}

int ob__fd_raise(int fd) {
  return raise_to(fd, 0);
}

/* An engine whose descriptors are gone, and one that is started after that,
 * would else have the same pair. The clock, for several copies of the library
 * in one process. */
int ob__fd_raise_apart(int fd) {
  static uint32_t turn;
  uint32_t seen = 0;
  if (ob__load_relaxed(&turn) == 0)
    ob__cas_acq_rel(&turn, &seen, (uint32_t)(ob__now() >> 8) | 1u);
  seen = ob__add_relaxed(&turn, 1u);
#ifdef OB_BREAK_APART
  seen = 0;
#endif
  return raise_to(fd, seen);
}

/* Adding what is there already changes nothing, and fails with EEXIST. */
int ob__fd_known(int set, int fd) {
  struct epoll_event event;
  int saved = errno, known = 0;
  memset(&event, 0, sizeof event);
  if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
    known = errno == EEXIST;
  else /* somebody else's set: as it was */
    epoll_ctl(set, EPOLL_CTL_DEL, fd, &event);
  errno = saved;
  return known;
}

/* A set does not know what it was never given, and nothing else says so. */
int ob__fd_is_set(int fd) {
  struct epoll_event event;
  int saved = errno, ends[2], is_set;
  memset(&event, 0, sizeof event);
  if (pipe2(ends, O_CLOEXEC) != 0) return 0;
  is_set =
      epoll_ctl(fd, EPOLL_CTL_MOD, ends[0], &event) != 0 && errno == ENOENT;
  ob__fd_close(ends[0]);
  ob__fd_close(ends[1]);
  errno = saved;
  return is_set;
}

/* Readable for good: nobody ever reads or writes it. See wake.c. */
int ob__wake_open(ob_engine *engine) {
  int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return -errno;
  engine->wake_fd = ob__fd_raise_apart(fd);
  engine->wake_open = 1;
  return 0;
}

void ob__wake_close(ob_engine *engine) {
  if (engine->wake_open) ob__fd_close(engine->wake_fd);
  engine->wake_open = 0;
}

/* The other end of a pipe is in no set, but has the same inode. */
static int same_file(int one, int other) {
  struct stat a, b;
  return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

int ob__fds_disown(ob_engine *engine) {
  uv_loop_t *uv = &engine->uv;
  int set = uv->backend_fd, *pipe = uv->signal_pipefd;
  int ours = set == engine->backend_fd && ob__fd_known(set, engine->wake_fd);
#ifdef OB_BREAK_DISOWN /* the numbers alone */
  return 1;
#endif
  if (!ours) {
    uv->backend_fd = uv->inotify_fd = uv->emfile_fd = -1;
    engine->wake_open = 0;
  }
  if (!ours || !ob__fd_known(set, uv->async_io_watcher.fd))
    uv->async_io_watcher.fd = uv->async_wfd = -1;
  if (!ours || !ob__fd_known(set, pipe[0]) || !same_file(pipe[0], pipe[1]))
    pipe[0] = pipe[1] = -1;
  return ours;
}

void ob__fds_close_inherited(ob_engine *engine) {
  uv_loop_t *uv = &engine->uv;
  int *fds[] = {&uv->async_io_watcher.fd, &uv->async_wfd,
                &uv->signal_pipefd[0],    &uv->signal_pipefd[1],
                &uv->inotify_fd,          &uv->emfile_fd,
                &uv->backend_fd};
  size_t i;
  if (engine->wake_open) ob__fds_disown(engine);
  for (i = 0; i < sizeof fds / sizeof fds[0]; i++) {
    if (engine->wake_open && *fds[i] >= 0) ob__fd_close(*fds[i]);
    *fds[i] = -1;
  }
  ob__wake_close(engine);
}
