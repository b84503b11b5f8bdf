/* fork: the host forks while calls are in flight. The child has one thread and
 * copies of locks that nobody will open; a call there must come back, with an
 * answer or an error, and the child must be able to end. The parent goes on. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checks.h"

#define FORKS 20

/* How far a child got; shared with it. */
enum progress { FORKED, CALLED, LEFT };

static _Atomic int *progress;

static void child(const struct subject *subject) {
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlives its check */
  struct answer answer = subject_call(subject);
  atomic_store(progress, CALLED);
  subject_free(subject, &answer);
  atomic_store(progress, LEFT);
  if (subject->exit_fails) _exit(0);
  exit(0);
}

/* Waits for the child until end; 0 when time is up. */
static int wait_until(pid_t pid, int *status, int64_t end) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0), in_time = 1;
  struct pollfd ended = {.fd = fd, .events = POLLIN};
  while (in_time && waitpid(pid, status, WNOHANG) == 0) {
    poll(&ended, 1, fd < 0 ? 1 : 20); /* a negative descriptor only waits */
    in_time = now_ms() <= end;
  }
  if (fd >= 0) close(fd);
  if (in_time) return 1;
  kill(pid, SIGKILL);
  waitpid(pid, status, 0);
  return 0;
}

#define FORK_CURE                                                        \
  "Notice the fork (pthread_atfork or MADV_WIPEONFORK) and answer with " \
  "an error, or start afresh; join no thread that is not there."

/* 0 after a finding. */
static int judge(pid_t pid, const struct subject *subject) {
  static const char *const where[] = {"in the call", "in free_string",
                                      "in exit()"};
  int status = 0;
  int in_time = wait_until(pid, &status, now_ms() + subject->limit_ms / 2);
  const char *at = where[atomic_load(progress)];
  if (!in_time)
    finding(SEVERITY_FAIL, "hang", "The host's child never ends.", FORK_CURE,
            "a forked child hangs %s", at);
  else if (WIFSIGNALED(status))
    finding(SEVERITY_FAIL, "crash", "The host's child dies.", FORK_CURE,
            "a forked child is killed by SIG%s %s",
            sigabbrev_np(WTERMSIG(status)), at);
  else if (WEXITSTATUS(status) != 0)
    finding(SEVERITY_FAIL, "status", "The host is told a lie.",
            "Do not exit from within a plugin.",
            "a forked child ends with status %d, not 0", WEXITSTATUS(status));
  else
    return 1;
  return 0;
}

void check_fork(struct subject *subject) {
  if (!subject_start(subject)) return;
  stage("calling %.64s", subject->tool);
  struct reference reference = reference_take(subject);
  progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (progress == MAP_FAILED) abort();
  stage("forking with calls in flight");
  struct crowd *crowd = crowd_start(subject, &reference, subject->threads);
  crowd_wait(crowd, 1, subject->limit_ms / 4);
  unsigned forks = 0;
  for (int good = 1; good && forks < FORKS; forks++) {
    atomic_store(progress, FORKED);
    pid_t pid = fork();
    if (pid < 0) abort();
    if (pid == 0) child(subject);
    good = judge(pid, subject);
  }
  struct crowd_count count = crowd_stop(crowd, subject->limit_ms / 4);
  stage("calling after the forks");
  uint64_t wrong = count.stuck == 0 ? crowd_wrong(subject, &reference, &count)
                                    : count.misshapen;
  if (count.stuck > 0 || wrong > 0)
    finding(SEVERITY_FAIL, "parent", "The host only forked.",
            "Do nothing in the parent's pthread_atfork handlers but unlock.",
            "in the parent %u threads did not return and %llu of %llu answers "
            "were wrong",
            count.stuck, (unsigned long long)wrong,
            (unsigned long long)count.answered);
  summary("%u forks with %u threads calling", forks, subject->threads);
}
