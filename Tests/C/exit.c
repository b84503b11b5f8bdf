/* exit(): a process that leaves is not held up, whatever its engines are doing,
 * and nothing of ours starts once its static objects may be gone. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "probe.h"

/* A host's exit takes 50 ms at most when a handler runs; generous, and more so
 * for tools with work of their own at exit. */
#define SOON_NS (TOOL_THREADS || TOOL_HEAP ? 20 * S : 2 * S)
#define NEVER_MS 60000

/* The host's static state: its exit handler takes it down. */
static int poisoned, release, entered;

static void check_alive(void) {
  if (!get(&poisoned)) return;
  static const char text[] = "  started after exit had begun\n";
  if (write(2, text, sizeof text - 1) < 0) abort();
  _exit(99);
}

static void handle_alive(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)input;
  (void)size;
  (void)user;
  check_alive();
  ob_complete(request, OB_OK, ob_result_none());
}

/* Blocks for as long as the test may want, or until it is released. */
static void handle_stuck(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)input;
  (void)size;
  (void)user;
  check_alive();
  add(&entered);
  for (int ms = 0; ms < NEVER_MS && !get(&release); ms++) test_sleep_ms(1);
  ob_complete(request, OB_OK, ob_result_none());
}

static void check_done(int status, ob_result *result, void *user) {
  (void)status;
  (void)result;
  (void)user;
  check_alive();
}

static void check_destroy(void *data, size_t size, void *user) {
  (void)data;
  (void)size;
  (void)user;
  check_alive();
}

static void submit(ob_engine *engine, ob_handler handler, uint32_t flags) {
  ob_call_opts opts = test_call(handler, NULL);
  opts.flags = flags;
  opts.on_done = check_done;
  opts.destroy = check_destroy;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
}

/* Registered before the first engine, so it runs after the engines' own: where
 * a C++ host's static destructors would. */
static void take_down(void) {
  set(&poisoned, 1);
  set(&release, 1);
  test_sleep_ms(200); /* time for whatever should not happen */
}

/* Runs body in a child, which must exit with status 7; returns how long. */
static uint64_t run_child(void (*body)(void)) {
  uint64_t begin = test_now(), end = begin + 30 * S;
  int status;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    body();
    _exit(98); /* it should have exited */
  }
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (test_now() > end) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      test_fail(__FILE__, __LINE__, "the process did not exit in 30 s");
    }
    test_sleep_ms(1);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
    test_fail(__FILE__, __LINE__, "it ended with status %x", status);
  return test_now() - begin;
}

/* Another process may have the CPU for seconds, but not each time. */
static void check_exits(void (*body)(void)) {
  for (int i = 0; i < 5; i++)
    if (run_child(body) < SOON_NS) return;
  test_fail(__FILE__, __LINE__, "the process takes too long to exit");
}

static void exit_idle(void) {
  atexit(take_down);
  ob_engine *engine = test_engine(NULL);
  flush(engine);
  exit(7);
}

TEST(with_an_idle_engine) {
  for (int i = 0; i < 5; i++) check_exits(exit_idle);
}

/* A handler that never returns; behind it, work of every kind is queued. */
static void exit_stuck(void) {
  ob_engine *engine = test_engine(NULL);
  submit(engine, handle_stuck, 0);
  test_await(&entered);
  exit(7);
}

TEST(with_a_handler_that_blocks_for_ever) {
  check_exits(exit_stuck);
}

static void check_post(void *arg, int status) {
  (void)arg;
  (void)status;
  check_alive();
}

/* The handler returns when the host's state is gone: what is queued behind it
 * must not start, nor may its own callback and destructor. */
static void exit_released(void) {
  ob_engine *engine;
  atexit(take_down);
  engine = test_engine(NULL);
  submit(engine, handle_stuck, 0);
  test_await(&entered);
  for (int i = 0; i < 100; i++) {
    submit(engine, handle_alive, i % 2 ? OB_CALL_OFFLOAD : 0);
    CHECK_EQ(ob_post(engine, check_post, NULL), OB_OK);
  }
  exit(7);
}

TEST(what_is_queued_does_not_start) {
  check_exits(exit_released);
}

static void one_thread(ob_engine_opts *opts) {
  opts->offload_threads = 1;
}

static void exit_pool(void) {
  ob_engine *engine;
  atexit(take_down);
  engine = test_engine(one_thread);
  submit(engine, handle_stuck, OB_CALL_OFFLOAD);
  test_await(&entered);
  for (int i = 0; i < 10; i++) submit(engine, handle_alive, OB_CALL_OFFLOAD);
  flush(engine);
  exit(7);
}

/* Jobs are not awaited at all, and the next one must not start either. */
TEST(with_a_job_that_blocks_and_more_queued) {
  check_exits(exit_pool);
}

static void handle_exit(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)request;
  (void)input;
  (void)size;
  (void)user;
  exit(7);
}

static void exit_in_handler(void) {
  ob_engine *engine, *other;
  ob_call_opts opts = test_call(handle_exit, NULL);
  atexit(take_down);
  engine = test_engine(NULL);
  other = test_engine(NULL);
  flush(other);
  submit(other, handle_stuck, 0);
  ob_call(engine, &opts, NULL);
}

TEST(from_a_handler) {
  check_exits(exit_in_handler);
}

static void exit_in_job(void) {
  ob_engine *engine;
  ob_call_opts opts = test_call(handle_exit, NULL);
  atexit(take_down);
  engine = test_engine(NULL);
  opts.flags = OB_CALL_OFFLOAD;
  ob_call(engine, &opts, NULL);
}

TEST(from_a_job) {
  check_exits(exit_in_job);
}

/* Other threads keep calling while the process leaves; they are refused, or
 * wait for ever on a loop that has halted, but never run anything. */
static void *call_on(void *engine) {
  ob_call_opts opts = test_call(handle_alive, NULL);
  int rc;
  add(&entered);
  for (int i = 0;; i++) {
    opts.flags = i % 2 ? OB_CALL_SYNC : 0;
    rc = i % 3 ? ob_call(engine, &opts, NULL) : ob_post(engine, check_post, 0);
    if (rc != OB_OK) CHECK_EQ(rc, OB_ESHUTDOWN);
  }
}

static void exit_busy(void) {
  ob_engine *engine;
  atexit(take_down);
  engine = test_engine(NULL);
  for (int i = 0; i < 3; i++) pthread_detach(test_thread(call_on, engine));
  await_count(&entered, 3, "callers");
  exit(7);
}

TEST(while_threads_are_calling) {
  for (int i = 0; i < 10; i++) check_exits(exit_busy);
}

/* A ticket waiter, a stopped engine, and one that is stopping. */
static void exit_mixed(void) {
  ob_engine *stopped, *stopping;
  ob_ticket *ticket;
  atexit(take_down);
  stopped = test_engine(NULL);
  stopping = test_engine(NULL);
  CHECK_EQ(ob_engine_stop(stopped, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  keep(stopping, "held", &ticket);
  CHECK_EQ(ob_engine_stop(stopping, OB_STOP_DRAIN, MS), OB_ETIMEDOUT);
  exit(7);
}

TEST(with_engines_that_are_stopped_or_stopping) {
  check_exits(exit_mixed);
}
