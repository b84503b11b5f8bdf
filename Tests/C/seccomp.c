/* Hosts that deny system calls by a seccomp filter, as containers, browsers and
 * services do. Each call that the engine or libuv make is denied in turn, with
 * EPERM and with ENOSYS: then all works, or the start says which one is
 * missing; nothing aborts and nothing hangs. The table is all that is needed:
 * with a filter that denies every other call, all works.
 *
 * Raw BPF: Debian's libseccomp is not needed for a list of numbers. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "life.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "seccomp.c: add this machine's AUDIT_ARCH"
#endif

/* --- Filters ---------------------------------------------------------------
 */

#define MOST 160

typedef struct filter {
  struct sock_filter code[2 * MOST + 8];
  unsigned short count;
} filter;

static void emit(filter *f, uint16_t code, uint32_t k, uint8_t yes,
                 uint8_t no) {
  f->code[f->count++] = (struct sock_filter){code, yes, no, k};
}

static void begin(filter *f) {
  f->count = 0;
  emit(f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
  emit(f, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
  emit(f, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
  emit(f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
}

static void rule(filter *f, long number, uint32_t action) {
  emit(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1);
  emit(f, BPF_RET | BPF_K, action, 0, 0);
}

/* For this process from here on; there is no way back. */
static void install(filter *f, uint32_t otherwise) {
  struct sock_fprog program;
  emit(f, BPF_RET | BPF_K, otherwise, 0, 0);
  program.len = f->count;
  program.filter = f->code;
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static uint32_t deny(int code) {
  return SECCOMP_RET_ERRNO | (uint32_t)code;
}

/* --- A life ----------------------------------------------------------------
 */

#define REFUSED 20 /* by the start, with a clear error */
#define PARTLY 21  /* all but child processes works */

/* Ends the process. */
static void live(void) {
  int rc, child = 0;
  for (int i = 0; i < 2; i++) {
    ob_engine *engine;
    rc = ob_engine_start(&engine, NULL);
    if (rc != OB_OK) {
      CHECK(engine == NULL && i == 0);
      printf("    %s: %s\n", ob_err_name(rc), ob_last_error_detail());
      fflush(stdout);
      CHECK(rc == OB_ESYSTEM || rc == OB_ENOMEM);
      CHECK(rc == OB_ENOMEM ||
            strstr(ob_last_error_detail(), strerror(denied)) != NULL);
      _exit(REFUSED);
    }
    call_all(engine);
    call_together(engine);
    use_queue(engine);
    use_stream(engine);
    watch(engine);
    child = use_child();
    CHECK_EQ(ob_engine_stop(engine, i ? OB_STOP_DRAIN : OB_STOP_CANCEL, 60 * S),
             OB_OK);
    CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  }
  if (child != 0) printf("    a child process: %s\n", strerror(child));
  fflush(stdout);
  _exit(child != 0 ? PARTLY : 0);
}

TEST(without_a_filter) {
  LEAVE_OUT_IF(TOOL_THREADS); /* it ends as a child of the test would */
  live();
}

/* --- One call at a time ----------------------------------------------------
 */

enum { WORKS, START, CHILD, EITHER };

typedef struct call {
  const char *name;
  long number;
  int want[2]; /* for EPERM, for ENOSYS */
} call;

#define NEEDED(name)     \
  {                      \
    #name, SYS_##name, { \
      START, START       \
    }                    \
  }
#define OPTIONAL(name)   \
  {                      \
    #name, SYS_##name, { \
      WORKS, WORKS       \
    }                    \
  }
static const call calls[] = {
    NEEDED(futex),
    NEEDED(epoll_create1),
    NEEDED(epoll_ctl),
#ifdef SYS_epoll_wait
    {"epoll_wait", SYS_epoll_wait, {EITHER, EITHER}}, /* by libuv's version */
#endif
    {"epoll_pwait", SYS_epoll_pwait, {EITHER, EITHER}},
    NEEDED(eventfd2),
    NEEDED(pipe2),
    NEEDED(fcntl),
    NEEDED(ioctl),
    NEEDED(write),
    NEEDED(rt_sigprocmask),
    NEEDED(mmap),
    NEEDED(mprotect),
    {"rseq", SYS_rseq, {EITHER, EITHER}}, /* by glibc's version */
    /* EPERM does not make glibc try clone. */
    {"clone3", SYS_clone3, {EITHER, WORKS}},
    {"clone", SYS_clone, {EITHER, EITHER}},
    {"read", SYS_read, {EITHER, EITHER}},
    {"close", SYS_close, {EITHER, EITHER}},
    {"pidfd_open", SYS_pidfd_open, {CHILD, CHILD}},
    {"waitid", SYS_waitid, {CHILD, CHILD}},
    OPTIONAL(pidfd_send_signal),
    OPTIONAL(wait4),
    OPTIONAL(kill),
    OPTIONAL(close_range),
    OPTIONAL(sched_yield),
    OPTIONAL(sched_getaffinity),
    OPTIONAL(sched_setaffinity),
    OPTIONAL(nanosleep),
    OPTIONAL(clock_nanosleep),
    OPTIONAL(getcpu),
    OPTIONAL(gettid),
    OPTIONAL(getpid),
    OPTIONAL(madvise),
    OPTIONAL(mremap),
    OPTIONAL(membarrier),
    OPTIONAL(set_robust_list),
    OPTIONAL(prctl),
    OPTIONAL(rt_sigaction),
    OPTIONAL(sigaltstack),
    OPTIONAL(tgkill),
    OPTIONAL(getrandom),
    OPTIONAL(prlimit64),
    {"openat", SYS_openat, {CHILD, CHILD}}, /* /dev/null */
    OPTIONAL(newfstatat),
    OPTIONAL(statx),
    OPTIONAL(pread64),
    OPTIONAL(ppoll),
    OPTIONAL(epoll_pwait2),
    OPTIONAL(futex_waitv),
    OPTIONAL(timerfd_create),
    OPTIONAL(timerfd_settime),
    OPTIONAL(signalfd4),
    OPTIONAL(inotify_init1),
    OPTIONAL(io_uring_setup),
    OPTIONAL(io_uring_enter),
    OPTIONAL(io_uring_register),
};
#define CALLS (sizeof calls / sizeof calls[0])

/* The C library itself ends or breaks a process, with us or without, that is
 * denied one of these. */
static const long vital[] = {SYS_exit,   SYS_exit_group, SYS_rt_sigreturn,
                             SYS_munmap, SYS_brk,        SYS_clock_gettime};

static int from_the_start;

static int run(const filter *base, uint32_t otherwise) {
  uint64_t end = test_now() + 60 * S;
  int status;
  pid_t pid;
  fflush(stdout);
  pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    filter f = *base;
    install(&f, otherwise);
    if (!from_the_start) live();
    execl("/proc/self/exe", "seccomp", "--run", "without_a_filter",
          (char *)NULL);
    _exit(1);
  }
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (test_now() > end) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      test_fail(__FILE__, __LINE__, "it hangs");
    }
    test_sleep_ms(1);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) == 1)
    test_fail(__FILE__, __LINE__, "it ended with status %x", status);
  return WEXITSTATUS(status);
}

static int fits(int want, int got) {
  switch (want) {
    case WORKS:
      return got == 0;
    case START:
      return got == REFUSED;
    case CHILD:
      return got == PARTLY;
    default:
      return got == 0 || got == REFUSED;
  }
}

static void deny_each(int code, int column) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP); /* they need calls of their own */
  denied = code;
  for (size_t i = 0; i < CALLS; i++) {
    filter f;
    int got;
    printf("  %s:\n", calls[i].name);
    begin(&f);
    rule(&f, calls[i].number, deny(code));
    got = run(&f, SECCOMP_RET_ALLOW);
    if (!fits(calls[i].want[column], got))
      test_fail(__FILE__, __LINE__, "%s ended with %d", calls[i].name, got);
  }
}

TEST(each_call_denied_by_eperm) {
  deny_each(EPERM, 0);
}

TEST(each_call_denied_by_enosys) {
  deny_each(ENOSYS, 1);
}

/* A filter that was there before the program, so that the C library has not
 * begun to rely on what it denies. */
TEST(denied_before_the_program_began) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  static const long optional[] = {
      SYS_rseq,       SYS_set_robust_list, SYS_getrandom,     SYS_prlimit64,
      SYS_membarrier, SYS_prctl,           SYS_io_uring_setup};
  from_the_start = 1;
  for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++)
    for (int k = 0; k < 2; k++) {
      filter f;
      begin(&f);
      rule(&f, optional[i], deny(k ? ENOSYS : EPERM));
      CHECK_EQ(run(&f, SECCOMP_RET_ALLOW), 0);
    }
}

/* --- Lists of what is allowed ----------------------------------------------
 *
 * As containers and services have them: what is not listed is denied. */

static void allow_vital(filter *f) {
  begin(f);
  for (size_t i = 0; i < sizeof vital / sizeof vital[0]; i++)
    rule(f, vital[i], SECCOMP_RET_ALLOW);
}

/* A libuv or a C library that begins to use another call is found here, if it
 * cannot do without. */
static void allow_table(int code) {
  filter f;
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  denied = code;
  allow_vital(&f);
  for (size_t i = 0; i < CALLS; i++)
    if (strncmp(calls[i].name, "io_uring", 8) != 0)
      rule(&f, calls[i].number, SECCOMP_RET_ALLOW);
  CHECK_EQ(run(&f, deny(code)), PARTLY); /* no dup2, no execve */
}

TEST(nothing_beside_the_table_is_needed) {
  allow_table(EPERM);
  allow_table(ENOSYS);
}

/* The list in outboard.h. */
TEST(nothing_beside_the_list_in_the_header_is_needed) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  static const int codes[] = {EPERM, ENOSYS};
  for (size_t k = 0; k < 2; k++) {
    filter f;
    denied = codes[k];
    allow_vital(&f);
    for (size_t i = 0; i < CALLS; i++)
      if (calls[i].want[k] == START || calls[i].want[k] == EITHER)
        rule(&f, calls[i].number, SECCOMP_RET_ALLOW);
    CHECK_EQ(run(&f, deny(denied)), PARTLY);
  }
}
