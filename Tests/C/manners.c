/* The comparison that guest.c relies on (manners.h) sees every kind of change
 * that a guest might make: shown by making each. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <fcntl.h>
#include <sys/wait.h>

#include "child.h"
#include "manners.h"

/* --- Bad acts --------------------------------------------------------------
 * Each as a library is tempted to do it, and the line that must tell. */

static void on_nothing(int number) {
  (void)number;
}

static void act_handler(void) {
  signal(SIGCHLD, on_nothing);
}
static void act_ignore(void) {
  signal(SIGPIPE, SIG_IGN);
}
static void act_mask(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
}
static void act_stack(void) {
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, NULL);
}
static void act_set(void) {
  setenv("OUTBOARD_WAS_HERE", "1", 1);
}
static void act_unset(void) {
  unsetenv("OB_MANNERS");
}
static void act_directory(void) {
  CHECK(chdir("/proc") == 0);
}
static void act_umask(void) {
  umask(077);
}
static void act_locale(void) {
  setlocale(LC_ALL, "C.UTF-8");
}
static void act_thread_locale(void) {
  uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}
static void act_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur /= 2;
  setrlimit(RLIMIT_NOFILE, &limit);
}
static void act_core(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
}
static void act_rounding(void) {
  fesetround(FE_DOWNWARD);
}
static void act_traps(void) {
  feenableexcept(FE_DIVBYZERO);
}
static void act_policy(void) {
  struct sched_param param = {0};
  sched_setscheduler(0, SCHED_BATCH, &param);
}
static void act_nice(void) {
  setpriority(PRIO_PROCESS, 0, 7);
}
static void act_affinity(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  sched_setaffinity(0, sizeof set, &set);
}
static void act_personality(void) {
  personality(ADDR_NO_RANDOMIZE);
}
static void act_dumpable(void) {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
static void act_reaper(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}
static void act_privileges(void) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
static void act_name(void) {
  pthread_setname_np(pthread_self(), "outboard");
}
static void act_slack(void) {
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
}
static void act_timer(void) {
  struct itimerval timer = {{0, 0}, {1000, 0}};
  setitimer(ITIMER_REAL, &timer, NULL);
}
static void act_posix_timer(void) {
  struct sigevent event = {.sigev_notify = SIGEV_NONE};
  timer_t timer;
  timer_create(CLOCK_MONOTONIC, &event, &timer);
}
static void act_session(void) {
  setsid();
}
static void act_nonblocking(void) {
  CHECK(fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK) == 0);
}
static void act_inherited(void) {
  CHECK(fcntl(1, F_SETFD, FD_CLOEXEC) == 0);
}
static void act_open(void) {
  CHECK(open("/dev/null", O_RDONLY) >= 0);
}

static const struct act {
  void (*fn)(void);
  const char *line; /* begins the first line that differs */
} acts[] = {
    {act_handler, "signal 17"},
    {act_ignore, "signal 13"},
    {act_mask, "signal mask"},
    {act_stack, "signal stack"},
    {act_set, "environment"},
    {act_unset, "environment"},
    {act_directory, "directory"},
    {act_umask, "Umask"},
    {act_locale, "locale"},
    {act_thread_locale, "locale"},
    {act_limit, "limit 7"},
    {act_core, "limit 4"},
    {act_rounding, "rounding"},
    {act_traps, "floating point"},
    {act_policy, "scheduling"},
    {act_nice, "scheduling"},
    {act_affinity, "affinity"},
    {act_personality, "personality"},
    {act_dumpable, "prctl 3"},
    {act_reaper, "prctl subreaper"},
    {act_privileges, "prctl 39"},
    {act_name, "thread name"},
    {act_slack, "prctl 30"},
    {act_timer, "itimer 0"},
    {act_posix_timer, "/proc/self/timers"},
    {act_session, "group"},
    {act_nonblocking, "descriptor 0"},
    {act_inherited, "descriptor 1"},
    {act_open, "descriptor"},
};

static void check_act(void *arg) {
  const struct act *act = arg;
  manners *before, *after;
  const char *line;
  int ends[2];
  struct rlimit core = {4096, 4096};
  /* A standard input of its own: its flags are the terminal's otherwise. */
  CHECK(pipe(ends) == 0 && dup2(ends[0], 0) == 0);
  setrlimit(RLIMIT_CORE, &core);
  setpriority(PRIO_PROCESS, 0, 1);
  setenv("OB_MANNERS", "1", 1);
  before = manners_now(1);
  act->fn();
  after = manners_now(1);
  line = manners_differ(before, after);
  if (line == NULL || strncmp(line, act->line, strlen(act->line)) != 0)
    test_fail(__FILE__, __LINE__, "%s: told by \"%s\"", act->line,
              line != NULL ? line : "nothing");
}

/* Where there is but one processor, or a locale or /proc/self/timers is not to
 * be had, the act changes nothing. */
static int possible(const struct act *act) {
  cpu_set_t set;
  if (act->fn == act_affinity)
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 1;
  if (act->fn == act_posix_timer) return access("/proc/self/timers", R_OK) == 0;
  if (act->fn == act_locale)
    return newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0) != (locale_t)0;
  return 1;
}

TEST(every_bad_act_is_seen) {
  int count = sizeof acts / sizeof acts[0];
  manners *once = manners_now(1), *again = manners_now(1);
  const char *line = manners_differ(once, again);
  if (line != NULL) test_fail(__FILE__, __LINE__, "changes alone: %s", line);
  for (int i = 0; i < count; i++) {
    struct act act = acts[i];
    if (possible(&act))
      in_child(check_act, &act);
    else
      printf("  %s: not possible here\n", act.line);
  }
  free(once);
  free(again);
}
