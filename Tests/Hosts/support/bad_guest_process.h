/* For bad_guest.c: what it does to the process when it is started. */
#ifndef BAD_GUEST_PROCESS_H
#define BAD_GUEST_PROCESS_H

#include <dlfcn.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

MAYBE void nothing(int number) {
  (void)number;
}

MAYBE void leave(int number) {
  (void)number;
  _exit(66);
}

static void touch_signals(void) {
#if defined(BAD_HANDLER)
  signal(SIGCHLD, nothing);
#elif defined(BAD_PIPE)
  signal(SIGPIPE, SIG_IGN);
#elif defined(BAD_HANDLER_TERM)
  signal(SIGTERM, nothing);
  signal(SIGINT, nothing);
#elif defined(BAD_HANDLER_FAULT)
  signal(SIGSEGV, leave);
#endif
}

static void touch_process(void) {
#if defined(BAD_ENVIRONMENT)
  setenv("BAD_GUEST", "was here", 1);
#elif defined(BAD_DIRECTORY)
  if (chdir("/proc") != 0) abort();
#elif defined(BAD_UMASK)
  umask(0007);
#elif defined(BAD_LOCALE)
  if (setlocale(LC_NUMERIC, "C.UTF-8") == NULL) abort();
#elif defined(BAD_LIMIT)
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) abort();
  limit.rlim_cur--;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) abort();
#elif defined(BAD_TIMER)
  struct itimerval timer = {{3600, 0}, {3600, 0}};
  if (setitimer(ITIMER_REAL, &timer, NULL) != 0) abort();
#elif defined(BAD_ROUNDING)
  fesetround(FE_UPWARD);
#elif defined(BAD_NAME)
  prctl(PR_SET_NAME, "bad-guest");
#elif defined(BAD_DESCRIPTOR_OPEN)
  if (open("/dev/null", O_RDONLY) < 0) abort();
#elif defined(BAD_TERMINATE)
  void (*(*set)(void (*)(void)))(void);
  *(void **)&set = dlsym(RTLD_DEFAULT, "_ZSt13set_terminatePFvvE");
  if (set != NULL) set(abort);
#elif defined(BAD_PRINT_ERROR)
  say(2, "bad guest: started\n");
#endif
}

#endif
