/* What a submission costs in system calls, counted. One test needs no wrapping:
 * seccomp traps whatever a submitting thread asks of the kernel. All numbers
 * are exact. */
#include <signal.h>

#include "counting.h"
#include "internal.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define OB_TEST_ASAN 1
#endif
#endif

/* --- System calls --------------------------------------------------------- */

/* One of each way to submit, and then all of them have run. */
static void submit_each(ob_engine *engine) {
  static ob_node node = {NULL, node_run};
  ob_call_opts opts = test_call(handle_run, NULL);
  ob_ticket *ticket;
  uint64_t before = ran;
  opts.input = engine;
  CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  CHECK_EQ(ob_post_node(engine, &node), OB_OK);
  await_ran(before + 3);
  /* The lane is empty now: this one takes the push list. */
  opts.deadline_ns = UINT64_C(60000000000);
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  await_ran(before + 4);
  ob_ticket_release(ticket);
}

TEST(no_system_call_while_the_loop_is_awake) {
  ob_engine *engine = counted_engine(NULL);
  uint64_t i, rounds = test_ops(1e4), sleeps, wakes;
  test_pin(1);
  keep_awake(engine);
  warm_up(engine);
  for (i = 0; i < 300; i++) submit_each(engine);
  sleeps = stats_of(engine).sleeps;
  wakes = stats_of(engine).wakes_written;
  count_anew();
  for (i = 0; i < rounds; i++) submit_each(engine);
  CHECK_EQ(counted(WAKES), 0);
  CHECK_EQ(counted(OTHERS), 0);
  CHECK_EQ(counted(ALLOCATIONS), 0);
  CHECK_EQ(stats_of(engine).sleeps, sleeps);
  CHECK_EQ(stats_of(engine).wakes_written, wakes);
  let_sleep(engine);
  test_stop(engine);
}

/* Each sleep is ended by exactly one call, whatever is pushed after; the last
 * one lasts. */
static void count_wakes(ob_engine *engine) {
  uint64_t rounds = test_ops(2e4), i, k, posts = 0;
  ob_stats before, after;
  test_sleep_ms(20); /* it sleeps */
  before = after = stats_of(engine);
  count_anew();
  for (i = 0; i < rounds; i++) {
    for (k = 0; k < 1 + i % 5; k++, posts++)
      CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
    do {
      sched_yield();
      after = stats_of(engine);
    } while (after.sleeps < before.sleeps + counted(WAKES));
  }
  CHECK(counted(WAKES) >= rounds);
  CHECK_EQ(after.sleeps, before.sleeps + counted(WAKES));
  CHECK_EQ(after.wakes_written, before.wakes_written + counted(WAKES));
  CHECK_EQ(after.wakes_avoided - before.wakes_avoided, posts - counted(WAKES));
}

TEST(one_wake_per_sleep) {
  ob_engine *engine = counted_engine(always_park);
#ifndef OB_PRIM_CONDVAR /* else it is glibc that makes the call */
  count_wakes(engine);
#endif
  test_lend(engine);
  count_wakes(engine); /* in libuv */
  test_stop(engine);
}
/* A caller whose loop has lost its CPU parks; so one row of calls in a thousand
 * has to be without any system call, but all without a wake-up or an
 * allocation.
 */
static int boxed; /* loop */
static void handle_boxed(ob_request *request, void *input, size_t size,
                         void *user) {
  CHECK(input == NULL && size == 0 && user == NULL);
  boxed += request == &ob_request_engine(request)->box_request;
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

TEST(no_system_call_in_the_box) {
  ob_engine *engine = counted_engine(NULL);
  ob_call_opts opts = test_call(handle_boxed, NULL);
  int row, i, clean = 0;
  uint64_t wakes;
  test_pin(1);
  keep_awake(engine);
  opts.flags = OB_CALL_SYNC;
  for (row = 0; row < 1000 && !clean; row++) {
    wakes = stats_of(engine).wakes_written;
    count_anew();
    for (boxed = 0, i = 0; i < 100; i++)
      CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
    if (boxed < 100) continue;
    clean = counted(WAKES) == 0 && counted(OTHERS) == 0;
    CHECK_EQ(counted(ALLOCATIONS), 0);
    CHECK_EQ(stats_of(engine).wakes_written, wakes); /* of the loop */
  }
  CHECK(clean);
  let_sleep(engine);
  test_stop(engine);
}

/* The sanitizers ask the kernel for things of their own. */
#if !defined(__SANITIZE_THREAD__) && !defined(OB_TEST_ASAN)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

static int trapped, first_trapped, done; /* atomic */
static void on_sigsys(int signal, siginfo_t *info, void *context) {
  CHECK(signal == SIGSYS && context != NULL);
  if (__atomic_fetch_add(&trapped, 1, __ATOMIC_RELAXED) == 0)
    __atomic_store_n(&first_trapped, info->si_syscall, __ATOMIC_RELAXED);
}

/* From here on this thread may report a failure and nothing else. */
static void forbid_system_calls(void) {
  static struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
               offsetof(struct seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
  };
  static const struct sock_fprog program = {sizeof code / sizeof *code, code};
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void *submit_without_kernel(void *engine) {
  uint64_t i, rounds = test_ops(1e4);
  test_pin(1);
  warm_up(engine);
  for (i = 0; i < 300; i++) submit_each(engine);
  forbid_system_calls();
  for (i = 0; i < rounds; i++) submit_each(engine);
  __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
  while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) == 1) continue;
  getppid(); /* the trap works */
  __atomic_store_n(&done, 3, __ATOMIC_RELEASE);
  await_ran(UINT64_MAX); /* it cannot even end */
  return NULL;
}

TEST(no_system_call_of_any_kind) {
  ob_engine *engine = test_engine(NULL);
  struct sigaction action = {.sa_flags = SA_SIGINFO};
  action.sa_sigaction = on_sigsys;
  CHECK(sigaction(SIGSYS, &action, NULL) == 0);
  keep_awake(engine);
  test_thread(submit_without_kernel, engine);
  while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) < 1) test_sleep_ms(1);
  CHECK_EQ(trapped, 0);
  __atomic_store_n(&done, 2, __ATOMIC_RELEASE);
  while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) < 3) test_sleep_ms(1);
  CHECK_EQ(trapped, 1);
  CHECK_EQ(first_trapped, SYS_getppid);
  let_sleep(engine);
}
#endif
