/* Stacks: callers that have 64 KiB, loops and pools that were given 64 KiB, and
 * hosts whose RLIMIT_STACK is tiny, huge or unlimited, which our threads' is
 * not. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <sys/mman.h>
#include <sys/resource.h>

#include "child.h"
#include "load.h"
#include "outboard_spi.h"
#include "stream_kit.h"

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* --- Callers with small stacks ---------------------------------------------
 */

static int stalls;

static void on_stall(const ob_stall *stall, void *user) {
  (void)stall;
  (void)user;
  add(&stalls);
}

static void fail_in_all_ways(ob_engine *engine) {
  ob_engine *other;
  ob_call_opts opts = test_call(handle_count, NULL);
  ob_engine_opts eopts = OB_ENGINE_OPTS_INIT;
  eopts.queue_limit = 0;
  CHECK_EQ(ob_engine_start(&other, &eopts), OB_EINVAL);
  opts.flags = 1u << 30;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_EINVAL);
  CHECK_EQ(ob_post(NULL, NULL, NULL), OB_EINVAL);
}

static void wait_in_all_ways(ob_engine *engine) {
  ob_ticket *tickets[70];
  ob_call_opts opts = test_call(handle_count, NULL);
  size_t index;
  for (int i = 0; i < 70; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  CHECK_EQ(ob_wait_any(tickets, 60, OB_FOREVER, &index), OB_OK);
  CHECK_EQ(ob_wait_all(tickets, 70, OB_FOREVER), OB_OK);
  for (int i = 0; i < 70; i++) ob_ticket_release(tickets[i]);
}

static void stop_in_vain(ob_engine *engine) {
  ob_ticket *ticket;
  ob_request *request = keep(engine, "slow", &ticket);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, 2 * MS), OB_ETIMEDOUT);
  CHECK(strstr(ob_last_error_detail(), "slow") != NULL);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
  ob_ticket_release(ticket);
}

/* Every function of the library, or of each kind of them the deepest. */
static void *do_all(void *arg) {
  const ob_engine_opts *eopts = arg;
  ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  ob_health health = OB_HEALTH_INIT;
  counter count = {0, 20, 0, 0, 0};
  ob_stall stall;
  test_blocker blocker;
  ob_stream *stream;
  ob_engine *engine;
  inspect.stall_ns = 10 * MS;
  inspect.on_stall = on_stall;
  inspect.stack_signal = TOOL_THREADS || TOOL_HEAP ? 0 : SIGUSR1;
  CHECK_EQ(ob_engine_start(&engine, eopts), OB_OK);
  CHECK_EQ(ob_inspect(engine, &inspect), OB_OK);
  for (int i = 0; i < 3; i++) {
    static const uint32_t flags[] = {0, OB_CALL_SYNC, OB_CALL_OFFLOAD};
    call_with(engine, flags[i], i ? OB_FOREVER : 60 * S);
  }
  fail_in_all_ways(engine);
  wait_in_all_ways(engine);
  stream = open_counter(engine, &count, 4);
  for (int i = 0; i < 20; i++) CHECK_EQ(next_int(stream, OB_FOREVER), i);
  check_end(stream, 42);
  ob_stream_release(stream);
  test_block_loop(engine, &blocker);
  await_count(&stalls, 1, "a stall");
  test_unblock_loop(&blocker);
  stall = (ob_stall)OB_STALL_INIT;
  CHECK_EQ(ob_inspect_stall(engine, &stall), OB_OK);
  CHECK_EQ(ob_engine_health(engine, &health), OB_OK);
  CHECK(ob_engine_health_json(engine, NULL, 0) > 0);
  CHECK(ob_inspect_trace_json(engine, NULL, 0) > 0);
  stop_in_vain(engine);
  test_stop(engine);
  return NULL;
}

/* Runs fn on a stack of our own and returns how much of it was used. */
static size_t use_of_stack(size_t size, void *(*fn)(void *), void *arg) {
  unsigned char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_attr_t attr;
  pthread_t thread;
  size_t untouched = 0;
  CHECK(stack != MAP_FAILED);
  memset(stack, 0xa5, size);
  CHECK(pthread_attr_init(&attr) == 0);
  CHECK(pthread_attr_setstack(&attr, stack, size) == 0);
  CHECK(pthread_create(&thread, &attr, fn, arg) == 0);
  test_join(thread);
  pthread_attr_destroy(&attr);
  while (untouched < size && stack[untouched] == 0xa5) untouched++;
  munmap(stack, size);
  return size - untouched;
}

TEST(callers_with_64_kib) {
  LEAVE_OUT_IF(TOOL_THREADS ||
               TOOL_HEAP); /* their frames are many times ours */
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  size_t used = use_of_stack(64 * KIB, do_all, &opts);
  printf("  %zu bytes of stack used, with glibc's own\n", used);
  CHECK(used > 1 * KIB && used < 32 * KIB);
}

/* --- Engines with small stacks ---------------------------------------------
 */

TEST(engines_with_64_kib) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  opts.stack_size = 64 * KIB;
  do_all(&opts);
}

static void start_small(void *arg) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  ob_engine *engine;
  (void)arg;
  opts.stack_size = 16 * KIB; /* the system's minimum: no loop can run there */
  CHECK_FAILS(ob_engine_start(&engine, &opts), OB_EINVAL, "64 KiB");
}

TEST(less_is_refused) {
  in_child(start_small, NULL);
}

/* --- The host's limit ------------------------------------------------------
 */

static size_t own_size(void) {
  pthread_attr_t attr;
  size_t size;
  CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
  CHECK(pthread_attr_getstacksize(&attr, &size) == 0);
  pthread_attr_destroy(&attr);
  return size;
}

static size_t sizes[4];

/* 2 MiB deep: more than many a default. */
static void go_deep(void) {
  volatile char deep[2 * MIB];
  for (size_t i = 0; i < sizeof deep; i += 4096) deep[i] = 1;
}

static void handle_deep(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  *(size_t *)user = own_size();
  go_deep();
  ob_complete(request, OB_OK, ob_result_none());
}

static void measure_watchdog(const ob_stall *stall, void *user) {
  (void)stall;
  sizes[2] = own_size();
  add(user);
}

static void measure_fallback(void *arg) {
  sizes[3] = own_size();
  add(arg);
}

TEST(the_stack_is_8_mib) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  test_blocker blocker;
  int done = 0;
  for (int i = 0; i < 2; i++) {
    ob_call_opts opts = test_call(handle_deep, &sizes[i]);
    opts.flags = i ? OB_CALL_OFFLOAD : 0;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  }
  inspect.stall_ns = 10 * MS;
  inspect.on_stall = measure_watchdog;
  inspect.stall_user = &done;
  CHECK_EQ(ob_inspect(engine, &inspect), OB_OK);
  test_block_loop(engine, &blocker);
  await_count(&done, 1, "the watchdog");
  test_unblock_loop(&blocker);
  set(&done, 0);
  CHECK_EQ(ob_spi_thread_start("fallback", measure_fallback, &done), OB_OK);
  await_count(&done, 1, "the fallback thread");
  test_stop(engine);
  for (int i = 0; i < 4; i++)
    if (sizes[i] < 7 * MIB || sizes[i] > 10 * MIB)
      test_fail(__FILE__, __LINE__, "thread %d has %zu bytes", i, sizes[i]);
}

/* glibc takes the limit when a process begins. */
static void run_limited(void *arg) {
  struct rlimit limit = *(struct rlimit *)arg;
  CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
  execl("/proc/self/exe", "stacks", "--run", "the_stack_is_8_mib",
        (char *)NULL);
  _exit(1);
}

TEST(whatever_the_hosts_limit_is) {
  static const rlim_t soft[] = {64 * KIB, 256 * KIB, 1024 * MIB, RLIM_INFINITY};
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
  for (size_t i = 0; i < sizeof soft / sizeof soft[0]; i++) {
    if (soft[i] > limit.rlim_max) {
      printf("  left out: the hard limit is below\n");
      continue;
    }
    limit.rlim_cur = soft[i];
    in_child(run_limited, &limit);
  }
}
