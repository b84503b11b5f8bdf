/* More of outboard_spi.h: child processes, without SIGCHLD.
 *
 * posix_spawn makes the child (vfork-like: no copy of the host's memory, no
 * handler of pthread_atfork), a pidfd tells its end on the loop, and
 * waitid(P_PIDFD) takes its status: nothing of the process's signal handling is
 * touched, and no other child is reaped. uv_spawn would take SIGCHLD.
 *
 * The child begins with no signal blocked and none ignored, and with
 * descriptors 0, 1 and 2 only: neither ours nor what the host forgot to mark
 * close-on-exec gets into it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* A descriptor above the three that a child is given, so that none of these is
 * overwritten before it is copied (a host may have closed 0, 1 or 2). */
static int raised(int fd) {
  int other, code;
  if (fd < 0 || fd > 2) return fd;
  other = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  code = errno;
  close(fd);
  errno = code;
  return other;
}

int ob_spi_pipe(int ends[2], int ours) {
  int i;
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  for (i = 0; i < 2; i++) {
    ends[i] = raised(ends[i]);
    if (ends[i] >= 0) continue;
    i = errno;
    if (ends[0] >= 0) close(ends[0]);
    if (ends[1] >= 0) close(ends[1]);
    return i;
  }
  /* Of this end alone: the child's is a file of its own. */
  if (fcntl(ends[ours], F_SETFL, fcntl(ends[ours], F_GETFL) | O_NONBLOCK) != 0)
    return errno; /* cannot be */
  return 0;
}

int ob_spi_null(void) {
  int fd = raised(open("/dev/null", O_RDWR | O_CLOEXEC));
  return fd >= 0 ? fd : -errno;
}

static int set_attributes(posix_spawnattr_t *attributes, int own_group) {
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  sigset_t set;
  int rc;
  if (own_group) flags |= POSIX_SPAWN_SETPGROUP; /* of its own number: 0 */
  rc = posix_spawnattr_setflags(attributes, flags);
  sigemptyset(&set);
  if (rc == 0) rc = posix_spawnattr_setsigmask(attributes, &set);
  sigfillset(&set);
  if (rc == 0) rc = posix_spawnattr_setsigdefault(attributes, &set);
  return rc;
}

static int set_files(posix_spawn_file_actions_t *actions,
                     const ob_spawn *spawn) {
  int i, rc = 0;
  for (i = 0; i < 3 && rc == 0; i++)
    rc = spawn->stdio[i] >= 0
             ? posix_spawn_file_actions_adddup2(actions, spawn->stdio[i], i)
             : 0; /* the host's own */
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  if (rc == 0) rc = posix_spawn_file_actions_addclosefrom_np(actions, 3);
#endif
  if (rc == 0 && spawn->directory != NULL)
    rc = posix_spawn_file_actions_addchdir_np(actions, spawn->directory);
  return rc;
}

static int start(pid_t *child, const ob_spawn *spawn) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int rc = posix_spawn_file_actions_init(&actions);
  if (rc != 0) return rc;
  rc = posix_spawnattr_init(&attributes);
  if (rc == 0) {
    rc = set_attributes(&attributes, spawn->own_group);
    if (rc == 0) rc = set_files(&actions, spawn);
    if (rc == 0)
      rc = posix_spawnp(child, spawn->path, &actions, &attributes, spawn->argv,
                        spawn->envp != NULL ? spawn->envp : environ);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return rc;
}

/* Nobody will wait for it. */
static void give_up(pid_t child) {
  kill(child, SIGKILL);
  while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
}

int ob_spi_spawn(const ob_spawn *spawn, int32_t *pid, int *pidfd) {
  pid_t child;
  siginfo_t info;
  int rc = start(&child, spawn);
  if (rc != 0) return rc;
  *pid = child;
  *pidfd = (int)syscall(SYS_pidfd_open, child, 0u); /* close-on-exec always */
  if (*pidfd < 0) {
    rc = errno;
    /* ESRCH: the host ignores SIGCHLD, or waits for any child, and it has
     * ended already. The number may be another's by now. */
    if (rc != ESRCH) give_up(child);
    return rc == ESRCH ? ECHILD : rc;
  }
  /* The same, and the number went to another process before it was opened: that
   * one is not our child, and must not be signalled. */
  memset(&info, 0, sizeof info);
  if (waitid((idtype_t)P_PIDFD, (id_t)*pidfd, &info,
             WEXITED | WNOHANG | WNOWAIT) == 0)
    return 0;
  close(*pidfd);
  return ECHILD;
}

int ob_spi_reap(int pidfd, int *how, int *code) {
  siginfo_t info;
  int rc;
  memset(&info, 0, sizeof info);
  do rc = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
  while (rc != 0 && errno == EINTR);
  if (rc != 0) return errno;
  if (info.si_pid == 0) return EAGAIN;
  *how = info.si_code == CLD_EXITED ? OB_CHILD_EXITED : OB_CHILD_SIGNALLED;
  *code = info.si_status;
  return 0;
}

int ob_spi_signal(int pidfd, int32_t pid, int group, int number) {
  long rc;
  /* The group keeps its number as long as its first process is not reaped. */
  if (group)
    rc = kill(-pid, number);
  else
    rc = syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0u);
  return rc == 0 ? 0 : errno;
}

int ob_spi_await(int fd, uint64_t ns) {
  uint64_t deadline = ob__deadline(ns);
  for (;;) {
    struct pollfd wait = {fd, POLLIN, 0};
    uint64_t now = ob__now();
    uint64_t left = deadline > now ? (deadline - now) / 1000000u + 1 : 0;
    int rc = poll(&wait, 1, left > 60000 ? 60000 : (int)left);
    if (rc > 0) return 1;
    if (rc == 0 && left == 0) return 0;
    if (rc < 0 && errno != EINTR) return 0;
  }
}
