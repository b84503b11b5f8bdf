/* Tests that fork. */
#ifndef CHILD_H
#define CHILD_H

#include <signal.h>
#include <sys/wait.h>

#include "probe.h"

/* A child that hangs is what these tests are about. */
#define CHILD_NS (30 * S * (1 + 4 * TOOL_THREADS))

/* Runs body(arg) in a child, which must end with status 0 in time. */
static inline void in_child(void (*body)(void *), void *arg) {
  uint64_t end = test_now() + CHILD_NS;
  int status;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    body(arg);
    _exit(0);
  }
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (test_now() > end) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      test_fail(__FILE__, __LINE__, "the child hangs");
    }
    test_sleep_ms(1);
  }
  if (status != 0)
    test_fail(__FILE__, __LINE__, "the child ended with status %x", status);
}

#endif
