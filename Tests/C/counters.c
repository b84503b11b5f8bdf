/* What a submission costs, counted: system calls and allocations.
 *
 * The Makefile links this with --wrap, so that every raw system call (futex and
 * eventfd) and every allocation of the core is counted here; libuv's own
 * allocations come here, too. One test needs no wrapping: seccomp traps
 * whatever a submitting thread asks of the kernel. All numbers are exact. */
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "outboard_uv.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define OB_TEST_ASAN 1
#endif
#endif

/* --- Counting ------------------------------------------------------------- */

enum { ALLOCATIONS, FREES, WRITES, OTHERS, KINDS };
static uint64_t total[KINDS]; /* any thread, atomic */

#define COUNT(kind) __atomic_add_fetch(&total[kind], 1, __ATOMIC_RELAXED)

static uint64_t counted(int kind) {
  return __atomic_load_n(&total[kind], __ATOMIC_RELAXED);
}
static void count_anew(void) {
  int i;
  for (i = 0; i < KINDS; i++) __atomic_store_n(&total[i], 0, __ATOMIC_RELAXED);
}

#define WRAP(type, name, parameters, arguments)         \
  type __real_##name parameters;                        \
  type __wrap_##name parameters {                       \
    return COUNT(ALLOCATIONS), __real_##name arguments; \
  }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(int, posix_memalign, (void **out, size_t align, size_t size),
     (out, align, size))

void __real_free(void *memory);
void __wrap_free(void *memory) {
  if (memory != NULL) COUNT(FREES);
  __real_free(memory);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
  long a[6];
  va_list args;
  int i;
  va_start(args, number);
  for (i = 0; i < 6; i++) a[i] = va_arg(args, long);
  va_end(args);
  COUNT(number == SYS_write ? WRITES : OTHERS);
  return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- Engines -------------------------------------------------------------- */

static void always_park(ob_engine_opts *opts) {
  opts->spin_ns = 0;
}

static ob_engine *counted_engine(void (*change)(ob_engine_opts *)) {
  int rc = uv_replace_allocator(__wrap_malloc, __wrap_realloc, __wrap_calloc,
                                __wrap_free);
  CHECK_EQ(rc, 0);
  return test_engine(change);
}

static ob_stats stats_of(ob_engine *engine) {
  ob_stats stats = OB_STATS_INIT;
  CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  return stats;
}

static uint64_t ran; /* loop, atomic */

static void count_run(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  CHECK(ob_engine_current() == arg);
  __atomic_store_n(&ran, ran + 1, __ATOMIC_RELEASE);
}

static void node_run(ob_node *node, int status) {
  count_run(node != NULL ? ob_engine_current() : NULL, status);
}

static void handle_run(ob_request *request, void *input, size_t size,
                       void *user) {
  CHECK(size == 0 && user == NULL);
  count_run(input, OB_OK);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

/* Waits without a system call. */
static void await_ran(uint64_t want) {
  while (__atomic_load_n(&ran, __ATOMIC_ACQUIRE) < want) continue;
}

/* A post that posts itself again keeps the loop from sleeping. */
static int awake, turns; /* atomic */
static void stay_awake(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  __atomic_store_n(&turns, (turns + 1) & 0xffff, __ATOMIC_RELAXED);
  if (__atomic_load_n(&awake, __ATOMIC_RELAXED))
    CHECK_EQ(ob_post(arg, stay_awake, arg), OB_OK);
}

/* It spins, as this thread does: on two processors, if there are two. */
static void pin_and_stay(void *arg, int status) {
  test_pin(0);
  stay_awake(arg, status);
}
static void keep_awake(ob_engine *engine) {
  awake = 1;
  CHECK_EQ(ob_post(engine, pin_and_stay, engine), OB_OK);
  /* Until the loop's own lane has all the blocks it needs. */
  while (__atomic_load_n(&turns, __ATOMIC_RELAXED) < 1000) sched_yield();
}

static void let_sleep(ob_engine *engine) {
  uint64_t slept = stats_of(engine).sleeps;
  __atomic_store_n(&awake, 0, __ATOMIC_RELAXED);
  while (stats_of(engine).sleeps == slept) sched_yield();
}

/* A refusal, so that the loop thread has its record: made when first needed. */
static void warm_loop(void *arg, int status) {
  count_run(arg, status);
  CHECK_EQ(ob_post(NULL, count_run, arg), OB_EINVAL);
}

/* Puts more requests into this thread's cache than it ever uses at once. */
static void warm_up(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_run, NULL);
  ob_ticket *tickets[8];
  int i;
  opts.input = engine;
  CHECK_EQ(ob_post(engine, warm_loop, engine), OB_OK);
  for (i = 0; i < 8; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  CHECK_EQ(ob_wait_all(tickets, 8, OB_FOREVER), OB_OK);
  for (i = 0; i < 8; i++) ob_ticket_release(tickets[i]);
}

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
  CHECK_EQ(counted(WRITES), 0);
  CHECK_EQ(counted(OTHERS), 0);
  CHECK_EQ(counted(ALLOCATIONS), 0);
  CHECK_EQ(stats_of(engine).sleeps, sleeps);
  CHECK_EQ(stats_of(engine).wakes_written, wakes);
  let_sleep(engine);
  test_stop(engine);
}

/* The loop has gone to sleep once more than it was woken. */
static void await_sleep(ob_engine *engine) {
  while (stats_of(engine).sleeps <= counted(WRITES)) sched_yield();
}

/* Each sleep is ended by exactly one write, whatever is pushed after; the last
 * one lasts. */
TEST(one_write_per_sleep) {
  ob_engine *engine = counted_engine(always_park);
  uint64_t rounds = test_ops(2e4), i, k, writes;
  ob_stats stats;
  for (i = 0; i < rounds; i++) {
    await_sleep(engine);
    for (k = 0; k < 1 + i % 5; k++)
      CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  }
  await_sleep(engine);
  writes = counted(WRITES);
  CHECK(writes >= rounds);
  stats = stats_of(engine);
  CHECK_EQ(stats.sleeps, writes + 1);
  CHECK_EQ(stats.wakes_written, writes);
  CHECK_EQ(stats.wakes_avoided, stats.submitted - writes);
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

/* --- Allocations ---------------------------------------------------------- */

/* Exactly so many allocations, and as many frees, per turn: with callers that
 * spin, and with callers that always park. */
static void allocates(void (*turn)(ob_engine *, int), uint64_t each) {
  uint64_t rounds = test_ops(2e4), i, parked;
  for (parked = 0; parked < 2; parked++) {
    ob_engine *engine = counted_engine(parked ? always_park : NULL);
    ob_call_opts opts = test_call(handle_run, NULL);
    opts.input = engine;
    warm_up(engine);
    for (i = 0; i < 600; i++) turn(engine, (int)i);
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
    count_anew();
    for (i = 0; i < rounds; i++) turn(engine, (int)i);
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK); /* all frees are done */
    CHECK_EQ(counted(ALLOCATIONS), each * rounds);
    CHECK_EQ(counted(FREES), each * rounds);
    test_stop(engine);
  }
}

/* What a call is made with, and the size of its input and answer. */
static uint32_t flags;
static uint64_t deadline = OB_FOREVER;
static size_t bytes = OB_RESULT_INLINE;

static void handle_echo(ob_request *request, void *input, size_t size,
                        void *user) {
  CHECK(ob_engine_current() == user);
  ob_complete(request, OB_OK, ob_result_copy(input, size));
}

static void call(ob_engine *engine, int number) {
  char input[64];
  ob_call_opts opts = test_call(handle_echo, engine);
  ob_result result;
  memset(input, number & 127, sizeof input);
  opts.input = input;
  opts.input_size = bytes;
  opts.flags = flags;
  opts.deadline_ns = deadline;
  CHECK_EQ(ob_call(engine, &opts, &result), OB_OK);
  CHECK_EQ(result.size, bytes);
  CHECK(memcmp(ob_result_data(&result), input, bytes) == 0);
  ob_result_free(&result);
}

TEST(synchronous_calls_allocate_nothing) {
  flags = OB_CALL_SYNC;
  allocates(call, 0);
}
TEST(a_result_above_32_bytes_is_one_allocation) {
  flags = OB_CALL_SYNC;
  bytes = OB_RESULT_INLINE + 1;
  allocates(call, 1);
}
TEST(asynchronous_handlers_allocate_nothing) {
  allocates(call, 0);
}
TEST(calls_with_deadline_allocate_nothing) {
  deadline = UINT64_C(60000000000);
  flags = OB_CALL_SYNC | OB_CALL_BORROW;
  allocates(call, 0);
}
TEST(a_small_input_is_copied_without_allocation) {
  deadline = UINT64_C(60000000000);
  bytes = OB_RESULT_INLINE;
  allocates(call, 0);
}
/* The input's copy, and the result's. */
TEST(above_32_bytes_a_copied_input_is_one_allocation) {
  deadline = UINT64_C(60000000000);
  bytes = OB_RESULT_INLINE + 1;
  allocates(call, 2);
}

static void submit_and_wait(ob_engine *engine, int number) {
  ob_call_opts opts = test_call(handle_increment, NULL);
  ob_ticket *tickets[2];
  ob_result result;
  size_t index, i;
  opts.input = &number;
  opts.input_size = sizeof number;
  opts.flags = OB_CALL_BORROW;
  for (i = 0; i < 2; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  CHECK_EQ(ob_wait_any(tickets, 2, OB_FOREVER, &index), OB_OK);
  for (i = 0; i < 2; i++) {
    CHECK_EQ(ob_ticket_wait(tickets[i], OB_FOREVER, &result), OB_OK);
    CHECK_EQ(*(const int *)ob_result_data(&result), number + 1);
    ob_result_free(&result);
    ob_ticket_release(tickets[i]);
  }
}
TEST(submissions_allocate_nothing) {
  allocates(submit_and_wait, 0);
}

static void post_some(ob_engine *engine, int number) {
  int i;
  for (i = 0; i < 7; i++) CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  if (number % 16 == 0) call(engine, number); /* 112 queued at most */
}
TEST(posts_allocate_nothing) {
  allocates(post_some, 0);
}

static void submit_alone(ob_engine *engine, int number) {
  ob_call_opts opts = test_call(handle_increment, NULL);
  opts.input = &number;
  opts.input_size = sizeof number;
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  if (number % 64 == 0) call(engine, number);
}
TEST(submissions_without_ticket_allocate_nothing) {
  allocates(submit_alone, 0);
}

/* A block that no cache holds is needed for each 255 that wait. */
TEST(posts_that_pile_up_allocate_blocks) {
  ob_engine *engine = counted_engine(NULL);
  test_blocker blocker;
  int i;
  test_block_loop(engine, &blocker);
  count_anew();
  for (i = 0; i < 255 * 100; i++)
    CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  CHECK_EQ(counted(ALLOCATIONS), 100);
  test_unblock_loop(&blocker);
  test_stop(engine);
}
