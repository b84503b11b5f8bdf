/* More of outboard_spi.h: bytes in and out of sockets and pipes, in the
 * caller's own memory. Nothing here blocks on a non-blocking descriptor, is cut
 * short by a signal, or raises SIGPIPE. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

ptrdiff_t ob_spi_read(int fd, void *bytes, size_t size) {
  ssize_t count;
  do count = read(fd, bytes, size);
  while (count < 0 && errno == EINTR);
  return count >= 0 ? count : -errno;
}

#ifdef OB_BREAK_NOSIGNAL
#define HOW 0
#else
#define HOW MSG_NOSIGNAL
#endif

ptrdiff_t ob_spi_send(int fd, const void *bytes, size_t size) {
  ssize_t count;
  do count = send(fd, bytes, size, HOW);
  while (count < 0 && errno == EINTR);
  return count >= 0 ? count : -errno;
}

static ptrdiff_t plain_write(int fd, const void *bytes, size_t size) {
  ssize_t count;
  do count = write(fd, bytes, size);
  while (count < 0 && errno == EINTR);
  return count >= 0 ? count : -errno;
}

/* A pipe has no MSG_NOSIGNAL. So the signal is blocked in this thread, to which
 * it is sent, and if the write raised it, taken from what is pending. One that
 * was pending before is not ours to take. */
ptrdiff_t ob_spi_write(int fd, const void *bytes, size_t size) {
  static const struct timespec now = {0, 0};
  sigset_t pipe_signal, old, pending;
  ptrdiff_t count;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
  sigpending(&pending);
  count = plain_write(fd, bytes, size);
  if (count == -EPIPE && !sigismember(&pending, SIGPIPE))
    while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR)
      continue;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return count;
}

int ob_spi_finish_writing(int fd) {
  return shutdown(fd, SHUT_WR) == 0 ? 0 : errno;
}

void ob_spi_close(int fd) {
  /* Not again after EINTR: on Linux the number is free by then. */
  close(fd);
}
