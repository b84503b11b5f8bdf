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

/* --- Counting ------------------------------------------------------------- */

typedef struct counts {
  uint64_t allocations, frees, writes, others;
} counts;

static counts total; /* any thread, atomic */

#define COUNT(field) __atomic_add_fetch(&total.field, 1, __ATOMIC_RELAXED)

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
void __real_free(void *memory);

void *__wrap_malloc(size_t size) {
  COUNT(allocations);
  return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
  COUNT(allocations);
  return __real_calloc(count, size);
}
void *__wrap_realloc(void *memory, size_t size) {
  COUNT(allocations);
  return __real_realloc(memory, size);
}
int __wrap_posix_memalign(void **out, size_t alignment, size_t size) {
  COUNT(allocations);
  return __real_posix_memalign(out, alignment, size);
}
void __wrap_free(void *memory) {
  if (memory != NULL) COUNT(frees);
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
  if (number == SYS_write)
    COUNT(writes);
  else
    COUNT(others);
  return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static counts now(void) {
  return (counts){__atomic_load_n(&total.allocations, __ATOMIC_RELAXED),
                  __atomic_load_n(&total.frees, __ATOMIC_RELAXED),
                  __atomic_load_n(&total.writes, __ATOMIC_RELAXED),
                  __atomic_load_n(&total.others, __ATOMIC_RELAXED)};
}

/* --- Engines -------------------------------------------------------------- */

static void always_park(ob_engine_opts *opts) {
  opts->spin_ns = 0;
}

static ob_engine *counted_engine(void (*change)(ob_engine_opts *)) {
  CHECK_EQ(uv_replace_allocator(__wrap_malloc, __wrap_realloc, __wrap_calloc,
                                __wrap_free),
           0);
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
  (void)node;
  count_run(ob_engine_current(), status);
}

static void handle_run(ob_request *request, void *input, size_t size,
                       void *user) {
  (void)user;
  CHECK_EQ(size, 0);
  count_run(input, OB_OK);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

/* Waits without a system call. */
static void await_ran(uint64_t want) {
  while (__atomic_load_n(&ran, __ATOMIC_ACQUIRE) < want) {
  }
}

/* A post that posts itself again keeps the loop from sleeping. */
static int awake, turns; /* atomic */

static void stay_awake(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  __atomic_store_n(&turns, (turns + 1) & 0xffff, __ATOMIC_RELAXED);
  if (__atomic_load_n(&awake, __ATOMIC_RELAXED))
    CHECK_EQ(ob_post(arg, stay_awake, arg), OB_OK);
}

static void keep_awake(ob_engine *engine) {
  awake = 1;
  CHECK_EQ(ob_post(engine, stay_awake, engine), OB_OK);
  /* Until the loop's own lane has all the blocks it needs. */
  while (__atomic_load_n(&turns, __ATOMIC_RELAXED) < 1000) sched_yield();
}

static void let_sleep(void) {
  __atomic_store_n(&awake, 0, __ATOMIC_RELAXED);
}

/* Puts more requests into this thread's cache than it ever uses at once. */
static void fill_cache(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_run, NULL);
  ob_ticket *tickets[8];
  int i;
  opts.input = engine;
  for (i = 0; i < 8; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  CHECK_EQ(ob_wait_all(tickets, 8, OB_FOREVER), OB_OK);
  for (i = 0; i < 8; i++) ob_ticket_release(tickets[i]);
}

/* --- System calls --------------------------------------------------------- */

/* One of each way to submit, and then all of them have run. */
static void submit_each(ob_engine *engine) {
  static ob_node node;
  ob_call_opts opts = test_call(handle_run, NULL);
  ob_ticket *ticket;
  uint64_t before = ran;
  node.run = node_run;
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
  uint64_t i, rounds = test_ops(1e5), sleeps, wakes;
  counts before, after;
  keep_awake(engine);
  fill_cache(engine);
  for (i = 0; i < 300; i++) submit_each(engine);
  sleeps = stats_of(engine).sleeps;
  wakes = stats_of(engine).wakes_written;
  before = now();
  for (i = 0; i < rounds; i++) submit_each(engine);
  after = now();
  CHECK_EQ(after.writes - before.writes, 0);
  CHECK_EQ(after.others - before.others, 0);
  CHECK_EQ(after.allocations - before.allocations, 0);
  CHECK_EQ(stats_of(engine).sleeps, sleeps);
  CHECK_EQ(stats_of(engine).wakes_written, wakes);
  let_sleep();
  test_stop(engine);
}

/* The loop has gone to sleep for the nth time. */
static void await_sleep(ob_engine *engine, uint64_t n) {
  while (stats_of(engine).sleeps < n) sched_yield();
}

/* Each sleep is ended by exactly one write, whatever is pushed onto it, and by
 * as many threads as may be; the last one lasts. */
TEST(one_write_per_sleep) {
  ob_engine *engine = counted_engine(always_park);
  uint64_t rounds = test_ops(2e4), i, k, first = now().writes, writes;
  for (i = 0; i < rounds; i++) {
    await_sleep(engine, now().writes - first + 1);
    for (k = 0; k < 1 + i % 5; k++)
      CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  }
  await_sleep(engine, now().writes - first + 1);
  writes = now().writes - first;
  CHECK(writes >= rounds);
  CHECK_EQ(stats_of(engine).sleeps, writes + 1);
  CHECK_EQ(stats_of(engine).wakes_written, writes);
  CHECK_EQ(stats_of(engine).wakes_avoided, stats_of(engine).submitted - writes);
  test_stop(engine);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
/* The sanitizers ask the kernel for things of their own. */
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

static int trapped, first_trapped, done; /* atomic */

static void on_sigsys(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
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
  uint64_t i, rounds = test_ops(1e5);
  fill_cache(engine);
  for (i = 0; i < 300; i++) submit_each(engine);
  forbid_system_calls();
  for (i = 0; i < rounds; i++) submit_each(engine);
  __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
  while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) == 1) {
  }
  getppid(); /* the trap works */
  __atomic_store_n(&done, 3, __ATOMIC_RELEASE);
  while (done != 4) { /* it cannot even end */
  }
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
}
#endif

/* --- Allocations ---------------------------------------------------------- */

/* Exactly so many allocations, and as many frees, per turn: with callers that
 * spin, and with callers that always park. */
static void allocates(void (*turn)(ob_engine *, int), uint64_t each) {
  static void (*const modes[])(ob_engine_opts *) = {NULL, always_park};
  uint64_t rounds = test_ops(2e4), i, mode;
  for (mode = 0; mode < 2; mode++) {
    ob_engine *engine = counted_engine(modes[mode]);
    ob_call_opts opts = test_call(handle_run, NULL);
    counts before, after;
    opts.input = engine;
    fill_cache(engine);
    for (i = 0; i < 600; i++) turn(engine, (int)i);
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
    before = now();
    for (i = 0; i < rounds; i++) turn(engine, (int)i);
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK); /* all frees are done */
    after = now();
    CHECK_EQ(after.allocations - before.allocations, each * rounds);
    CHECK_EQ(after.frees - before.frees, each * rounds);
    test_stop(engine);
  }
}

static uint32_t flags;
static uint64_t deadline = OB_FOREVER;

static void call(ob_engine *engine, int number) {
  ob_call_opts opts = test_call(handle_increment, NULL);
  ob_result result;
  opts.input = &number;
  opts.input_size = sizeof number;
  opts.flags = flags;
  opts.deadline_ns = deadline;
  CHECK_EQ(ob_call(engine, &opts, &result), OB_OK);
  CHECK_EQ(*(const int *)ob_result_data(&result), number + 1);
  ob_result_free(&result);
}

TEST(synchronous_calls_allocate_nothing) {
  flags = OB_CALL_SYNC;
  allocates(call, 0);
}
TEST(asynchronous_handlers_allocate_nothing) {
  allocates(call, 0);
}
TEST(calls_with_deadline_allocate_nothing) {
  deadline = UINT64_C(60000000000);
  flags = OB_CALL_SYNC | OB_CALL_BORROW;
  allocates(call, 0);
}
TEST(a_copied_input_is_one_allocation) {
  deadline = UINT64_C(60000000000);
  allocates(call, 1);
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

/* A block that no cache holds is needed for each 255 that wait. */
TEST(posts_that_pile_up_allocate_blocks) {
  ob_engine *engine = counted_engine(NULL);
  test_blocker blocker;
  counts before;
  int i;
  test_block_loop(engine, &blocker);
  before = now();
  for (i = 0; i < 255 * 100; i++)
    CHECK_EQ(ob_post(engine, count_run, engine), OB_OK);
  CHECK_EQ(now().allocations - before.allocations, 100);
  test_unblock_loop(&blocker);
  test_stop(engine);
}

/* 32 bytes of result travel in the struct; 33 are a copy. */
static void handle_size(ob_request *request, void *input, size_t size,
                        void *user) {
  CHECK_EQ(size, 64);
  ob_complete(request, OB_OK, ob_result_copy(input, *(size_t *)user));
}

static size_t bytes;

static void call_for_bytes(ob_engine *engine, int number) {
  char input[64];
  ob_call_opts opts = test_call(handle_size, &bytes);
  ob_result result;
  memset(input, number & 127, sizeof input);
  opts.input = input;
  opts.input_size = sizeof input;
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_call(engine, &opts, &result), OB_OK);
  CHECK_EQ(result.size, bytes);
  CHECK(memcmp(ob_result_data(&result), input, bytes) == 0);
  ob_result_free(&result);
}

TEST(small_results_allocate_nothing) {
  bytes = 32;
  allocates(call_for_bytes, 0);
}
TEST(a_copied_result_is_one_allocation) {
  bytes = 33;
  allocates(call_for_bytes, 1);
}
