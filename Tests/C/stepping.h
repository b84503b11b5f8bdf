/* Stops a thread before any one of its instructions: x86's trap flag raises
 * SIGTRAP after each, and the handler of the chosen one takes its time. */
#ifndef STEPPING_H
#define STEPPING_H

#include <signal.h>
#include <ucontext.h>

#include "harness.h"

#define STEP_TRAP_FLAG 0x100

static struct {
  uint64_t left; /* instructions to go; 0: it has been reached */
  void (*pause)(void *);
  void *arg;
} stepping;

static void step_on_trap(int number, siginfo_t *info, void *context) {
  ucontext_t *at = context;
  (void)number, (void)info;
  if (stepping.left == 0 || --stepping.left > 0) return;
  at->uc_mcontext.gregs[REG_EFL] &= ~STEP_TRAP_FLAG;
  stepping.pause(stepping.arg);
}

/* Runs body; before its instruction of that number (from 1) pause runs. 0: body
 * has not so many. */
static int step_into(uint64_t number, void (*body)(void *),
                     void (*pause)(void *), void *arg) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = step_on_trap;
  action.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
  stepping.left = number;
  stepping.pause = pause;
  stepping.arg = arg;
  /* Below the red zone. */
  __asm__ volatile(
      "subq $128, %%rsp\n\tpushfq\n\torq %0, (%%rsp)\n\tpopfq\n\t"
      "addq $128, %%rsp" ::"i"(STEP_TRAP_FLAG)
      : "memory", "cc");
  body(arg);
  __asm__ volatile(
      "subq $128, %%rsp\n\tpushfq\n\tandq %0, (%%rsp)\n\tpopfq\n\t"
      "addq $128, %%rsp" ::"i"(~STEP_TRAP_FLAG)
      : "memory", "cc");
  number = stepping.left;
  stepping.left = 0;
  return number == 0;
}

#endif
