/* process: what belongs to the whole process, before and after each step. */
#define _GNU_SOURCE
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "checks.h"

#define SIGNALS 65
#define LIMITS 16 /* RLIMIT_NLIMITS */

extern char **environ;

struct state {
  uintptr_t handler[SIGNALS];
  int flags[SIGNALS];
  char *variables; /* of the environment, one a line */
  char cwd[4096];
  long umask;
  char locale[512];
  struct rlimit limits[LIMITS];
  sigset_t mask;
  int rounding, exceptions;
  unsigned float_control;
  int nice;
  char name[17];
  int dumpable, subreaper;
  struct itimerval timer;
  stack_t alternate;
};

static unsigned float_control(void) {
#if defined(__x86_64__)
  return __builtin_ia32_stmxcsr() & ~0x3fu; /* without the sticky flags */
#else
  return 0;
#endif
}

static char *copy_environment(void) {
  size_t size = 1, used = 0;
  for (char **v = environ; v != NULL && *v != NULL; v++) size += strlen(*v) + 1;
  char *text = malloc(size);
  if (text == NULL) abort();
  for (char **v = environ; v != NULL && *v != NULL; v++)
    used += (size_t)sprintf(text + used, "%s\n", *v);
  text[used] = 0;
  return text;
}

static void take(struct state *state) {
  memset(state, 0, sizeof *state);
  for (int i = 1; i < SIGNALS; i++) {
    struct sigaction action;
    if (sigaction(i, NULL, &action) != 0) continue; /* the C library's own */
    state->handler[i] = (uintptr_t)action.sa_sigaction;
    state->flags[i] = action.sa_flags;
  }
  state->variables = copy_environment();
  if (getcwd(state->cwd, sizeof state->cwd) == NULL) state->cwd[0] = 0;
  state->umask = proc_status("Umask", 8);
  snprintf(state->locale, sizeof state->locale, "%s", setlocale(LC_ALL, NULL));
  for (int i = 0; i < LIMITS; i++)
    getrlimit((__rlimit_resource_t)i, &state->limits[i]);
  pthread_sigmask(SIG_SETMASK, NULL, &state->mask);
  state->rounding = fegetround();
  state->exceptions = fegetexcept();
  state->float_control = float_control();
  state->nice = getpriority(PRIO_PROCESS, 0);
  prctl(PR_GET_NAME, state->name);
  state->dumpable = prctl(PR_GET_DUMPABLE);
  prctl(PR_GET_CHILD_SUBREAPER, &state->subreaper);
  getitimer(ITIMER_REAL, &state->timer);
  sigaltstack(NULL, &state->alternate);
}

#define UNDO "Leave it alone, or put it back before returning."

static void look_at_signals(const struct state *before,
                            const struct state *after, const char *step) {
  struct names names = {0};
  for (int i = 1; i < SIGNALS; i++) {
    char text[32];
    if (before->handler[i] == after->handler[i] &&
        before->flags[i] == after->flags[i])
      continue;
    const char *name = sigabbrev_np(i);
    snprintf(text, sizeof text, "SIG%.8s %s", name != NULL ? name : "RT",
             after->handler[i] == (uintptr_t)SIG_IGN   ? "ignored"
             : after->handler[i] == (uintptr_t)SIG_DFL ? "reset"
                                                       : "handled");
    names_add(&names, text);
  }
  if (names.count > 0)
    finding(SEVERITY_FAIL, "signals",
            "The host's own handling is gone: of its children, of broken "
            "pipes, of crashes.",
            "Install no handlers; use MSG_NOSIGNAL, pidfd and posix_spawn.",
            "%s changes %s", step, names_end(&names));
}

static void look_at_environment(const struct state *before,
                                const struct state *after, const char *step) {
  if (strcmp(before->variables, after->variables) != 0)
    finding(SEVERITY_FAIL, "environment",
            "setenv races with every getenv of the host's threads, and the "
            "host's children inherit it.",
            "Pass values by arguments and configuration, not by setenv.",
            "%s changes the environment", step);
  if (strcmp(before->cwd, after->cwd) != 0)
    finding(SEVERITY_FAIL, "cwd", "Relative paths of the host now go astray.",
            "Use openat and absolute paths.",
            "%s changes the working directory to %s", step, after->cwd);
  if (before->umask != after->umask)
    finding(SEVERITY_FAIL, "umask",
            "Files of the host get other permissions from now on.",
            "Give the mode at creation, and fchmod.",
            "%s changes the umask from %03lo to %03lo", step, before->umask,
            after->umask);
  if (strcmp(before->locale, after->locale) != 0)
    finding(SEVERITY_FAIL, "locale",
            "The host's numbers get other decimal points.",
            "Use newlocale and uselocale in the plugin's own threads.",
            "%s changes the locale to %.60s", step, after->locale);
}

static void look_at_rest(const struct state *before, const struct state *after,
                         const char *step) {
  if (memcmp(before->limits, after->limits, sizeof before->limits) != 0)
    finding(SEVERITY_FAIL, "rlimit", "Limits are the administrator's.", UNDO,
            "%s changes resource limits", step);
  for (int i = 1; i < SIGNALS; i++)
    if (sigismember(&before->mask, i) != sigismember(&after->mask, i)) {
      finding(SEVERITY_FAIL, "mask",
              "The host's thread no longer gets its signals, or gets others.",
              "Put the mask back after pthread_create.",
              "%s changes the calling thread's signal mask", step);
      break;
    }
  if (before->rounding != after->rounding ||
      before->exceptions != after->exceptions ||
      before->float_control != after->float_control)
    finding(SEVERITY_FAIL, "float", "The host computes other numbers.",
            "Link without -ffast-math (its start-up code flushes small "
            "numbers to zero); put fesetround back.",
            "%s changes the floating-point environment (0x%x, was 0x%x)", step,
            after->float_control, before->float_control);
  const char *what = NULL;
  if (before->nice != after->nice) what = "priority";
  if (strcmp(before->name, after->name) != 0) what = "main thread's name";
  if (before->dumpable != after->dumpable) what = "dumpable flag";
  if (before->subreaper != after->subreaper) what = "subreaper flag";
  if (memcmp(&before->timer.it_interval, &after->timer.it_interval,
             sizeof before->timer.it_interval) != 0 ||
      (before->timer.it_value.tv_sec == 0 && after->timer.it_value.tv_sec != 0))
    what = "interval timer";
  if (before->alternate.ss_sp != after->alternate.ss_sp)
    what = "alternate signal stack";
  if (what != NULL)
    finding(SEVERITY_FAIL, "other", "It belongs to the host.", UNDO,
            "%s changes the process's %s", step, what);
}

/* Compares with *last, and makes what is now the last. */
static void compare(struct state *last, const char *step) {
  struct state now;
  take(&now);
  look_at_signals(last, &now, step);
  look_at_environment(last, &now, step);
  look_at_rest(last, &now, step);
  free(last->variables);
  *last = now;
}

void check_process(struct subject *subject) {
  static struct state last;
  take(&last);
  if (!subject_open(subject)) return;
  compare(&last, "loading");
  if (!subject_configure(subject) || !subject_init(subject)) return;
  compare(&last, "init");
  unsigned calls = call_some(subject, 50);
  struct answer answer = plugin_call(
      &subject->plugin, "outboard_host_doctor_no_such_tool", "no JSON", 7);
  subject_free(subject, &answer);
  compare(&last, "a call");
  summary("untouched by load, init and %u calls", calls);
}
