/* The ways in which a host may leave while its engines are busy: exit() from
 * each kind of thread and callback of ours, quick_exit, _exit, the end of the
 * main thread; and what still works, or does not start any more, in exit
 * handlers and destructors. exit.c has the plain ones.
 *
 * Two threads in exit() at once are not tested: before glibc 2.41 that is
 * undefined, with us or without. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "load.h"
#include "outboard_spi.h"

/* A generous bound for machines that are busy; with OB_LONG=1 the true one. */
#define SOON_NS \
  (test_long() ? 100 * MS : TOOL_THREADS || TOOL_HEAP ? 20 * S : 2 * S)

/* What callbacks use, and an exit handler or a destructor has taken down. */
static int gone, entered;

static void use_state(void) {
  static const char text[] = "  it ran after its state was gone\n";
  if (!get(&gone)) return;
  if (write(2, text, sizeof text - 1) < 0) abort();
  _exit(99);
}

static void handle_use(ob_request *request, void *input, size_t size,
                       void *user) {
  (void)input;
  (void)size;
  (void)user;
  use_state();
  ob_complete(request, OB_OK, ob_result_none());
}

static void done_use(int status, ob_result *result, void *user) {
  (void)status;
  (void)result;
  (void)user;
  use_state();
}

static void post_use(void *arg, int status) {
  (void)arg;
  (void)status;
  use_state();
}

/* Runs until the state is gone, and then some. */
static void handle_long(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  (void)user;
  add(&entered);
  while (!get(&gone)) test_sleep_ms(1);
  ob_complete(request, OB_OK, ob_result_none());
}

/* --- A host that is busy ---------------------------------------------------
 */

static void *call_on(void *engine) {
  add(&entered);
  for (unsigned i = 0;; i++) {
    ob_call_opts opts = test_call(handle_use, NULL);
    int rc;
    opts.flags = i % 4 == 0 ? OB_CALL_OFFLOAD : i % 2 ? OB_CALL_SYNC : 0;
    rc = i % 5 ? ob_call(engine, &opts, NULL) : ob_post(engine, post_use, NULL);
    if (rc != OB_OK) CHECK(rc == OB_ESHUTDOWN || rc == OB_EAGAIN);
  }
}

static void *submit_on(void *engine) {
  add(&entered);
  for (unsigned i = 0;; i++) {
    ob_call_opts opts = test_call(handle_use, NULL);
    ob_ticket *ticket;
    opts.on_done = done_use;
    opts.deadline_ns = i % 3 ? OB_FOREVER : 3 * MS;
    if (ob_submit(&ticket, engine, &opts) != OB_OK) continue;
    if (i % 8 == 0) ob_ticket_wait(ticket, OB_FOREVER, NULL);
    ob_ticket_release(ticket);
  }
  return NULL;
}

/* Two engines with callers; a job that blocks; a loop that is held. */
static ob_engine *be_busy(void) {
  ob_engine *engine = test_engine(load_watched), *held = test_engine(NULL);
  ob_call_opts opts = test_call(handle_long, NULL);
  opts.flags = OB_CALL_OFFLOAD;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  opts.flags = 0;
  CHECK_EQ(ob_submit(NULL, held, &opts), OB_OK);
  for (int i = 0; i < 2; i++) {
    pthread_detach(test_thread(call_on, engine));
    pthread_detach(test_thread(submit_on, engine));
  }
  pthread_detach(test_thread(call_on, held)); /* for ever */
  await_count(&entered, 2 + 5, "the host");
  return engine;
}

/* Runs in a child, which must end with status 7; how long that took from the
 * moment at which it began to leave. */
static int begun[2]; /* a pipe: when */

static void leaving(void) {
  uint64_t now = test_now();
  CHECK(write(begun[1], &now, sizeof now) == sizeof now);
}

static uint64_t run_child(void (*body)(void)) {
  uint64_t end = test_now() + 60 * S, from;
  int status;
  pid_t pid;
  CHECK(pipe(begun) == 0);
  pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    pause(); /* what body has begun ends the process */
  }
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (test_now() > end) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      test_fail(__FILE__, __LINE__, "the process did not leave in 60 s");
    }
    test_sleep_ms(1);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
    test_fail(__FILE__, __LINE__, "it ended with status %x", status);
  CHECK(read(begun[0], &from, sizeof from) == sizeof from);
  close(begun[0]);
  close(begun[1]);
  return test_now() - from;
}

/* The best of a few: another process may have the CPU for seconds. */
static void check_leaves(const char *how, void (*body)(void)) {
  uint64_t took, best = OB_FOREVER;
  for (int i = 0; i < 3 || (best >= SOON_NS && i < 10); i++)
    if ((took = run_child(body)) < best) best = took;
  printf("  %s: %.1f ms\n", how, (double)best / 1e6);
  CHECK(best < SOON_NS);
}

static void exit_7(void) {
  leaving();
  exit(7);
}

/* --- Handlers of exit and destructors --------------------------------------
 */

static void take_down(void) {
  set(&gone, 1);
  test_sleep_ms(20); /* time for what should not happen */
}

static int armed; /* only where a test asks for it */

/* Runs after every exit handler, as a library's would. */
__attribute__((destructor)) static void destroy_state(void) {
  if (armed) take_down();
}

static void exit_busy(void) {
  atexit(take_down);
  be_busy();
  exit_7();
}

TEST(exit_while_busy) {
  check_leaves("a handler of exit takes the state down", exit_busy);
}

static void exit_busy_destructor(void) {
  armed = 1;
  be_busy();
  exit_7();
}

TEST(exit_while_busy_then_destructors) {
  check_leaves("a destructor takes the state down", exit_busy_destructor);
}

static ob_engine *used_late;

/* Registered after the start, so it runs before ours: all still works. */
static void use_late(void) {
  ob_call_opts opts = test_call(handle_use, NULL);
  ob_engine *fresh = test_engine(NULL);
  for (int i = 0; i < 3; i++) {
    opts.flags = i == 1 ? OB_CALL_SYNC : i == 2 ? OB_CALL_OFFLOAD : 0;
    CHECK_EQ(ob_call(used_late, &opts, NULL), OB_OK);
    CHECK_EQ(ob_call(fresh, &opts, NULL), OB_OK);
  }
  test_stop(fresh);
}

/* Registered before: the engine is halted, and says so at once. */
static void refused_late(void) {
  ob_call_opts opts = test_call(handle_use, NULL);
  ob_stats stats = OB_STATS_INIT;
  set(&gone, 1);
  CHECK_EQ(ob_call(used_late, &opts, NULL), OB_ESHUTDOWN);
  CHECK_EQ(ob_post(used_late, post_use, NULL), OB_ESHUTDOWN);
  CHECK_EQ(ob_engine_stats(used_late, &stats), OB_OK);
  CHECK_FAILS(ob_engine_stop(used_late, OB_STOP_DRAIN, OB_FOREVER),
              OB_ETIMEDOUT, "halted by exit");
  CHECK_EQ(ob_engine_destroy(used_late), OB_EBUSY);
  ob_engine_dispose(used_late);
}

static void exit_through_handlers(void) {
  atexit(refused_late);
  used_late = test_engine(NULL);
  atexit(use_late);
  flush(used_late);
  exit_7();
}

TEST(exit_handlers_before_and_after_ours) {
  check_leaves("handlers that use the engine", exit_through_handlers);
}

/* --- From our own threads --------------------------------------------------
 */

static void post_exit(void *arg, int status) {
  (void)arg;
  (void)status;
  exit_7();
}

static void done_exit(int status, ob_result *result, void *user) {
  (void)status;
  (void)result;
  (void)user;
  exit_7();
}

static void cancel_exit(ob_request *request, void *arg) {
  (void)request;
  (void)arg;
  exit_7();
}

static void handle_hooked(ob_request *request, void *input, size_t size,
                          void *user) {
  (void)input;
  (void)size;
  CHECK_EQ(ob_request_on_cancel(request, cancel_exit, NULL), OB_OK);
  add(user);
}

static void timer_exit(ob_timer *timer, int status) {
  (void)timer;
  (void)status;
  exit_7();
}

static void arm(void *timer, int status) {
  CHECK_EQ(status, OB_OK);
  ob_spi_timer_start(ob_engine_current(), timer, 2 * MS);
}

static void stop_exit(ob_engine *engine, void *user) {
  (void)engine;
  (void)user;
  exit_7();
}

static void stall_exit(const ob_stall *stall, void *user) {
  (void)stall;
  (void)user;
  exit_7();
}

enum { IN_POST, IN_DONE, IN_CANCEL, IN_TIMER, IN_STOP, IN_STALL, PLACES };
static int place;

static void exit_in_place(void) {
  static ob_timer timer = {.fire = timer_exit};
  ob_engine_opts eopts = OB_ENGINE_OPTS_INIT;
  ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  ob_call_opts opts = test_call(handle_use, NULL);
  ob_engine *mine;
  ob_ticket *ticket;
  int hooked = 0, rc;
  atexit(take_down);
  be_busy();
  eopts.on_stop = stop_exit;
  inspect.on_stall = stall_exit;
  inspect.stall_ns = 10 * MS;
  if (place == IN_STALL) eopts.inspect = &inspect;
  CHECK_EQ(ob_engine_start(&mine, &eopts), OB_OK);
  if (place == IN_POST) CHECK_EQ(ob_post(mine, post_exit, NULL), OB_OK);
  if (place == IN_DONE) opts.on_done = done_exit;
  if (place == IN_CANCEL) opts.handler = handle_hooked;
  if (place == IN_CANCEL) opts.user = &hooked;
  if (place == IN_TIMER) CHECK_EQ(ob_post(mine, arm, &timer), OB_OK);
  if (place == IN_STALL) opts.handler = handle_long;
  rc = ob_submit(&ticket, mine, &opts);
  CHECK(rc == OB_OK || rc == OB_ESHUTDOWN); /* exit may have begun */
  if (place == IN_CANCEL) await_count(&hooked, 1, "the hook");
  if (place == IN_CANCEL) ob_ticket_cancel(ticket);
  if (place == IN_STOP)
    ob_engine_stop(mine, OB_STOP_CANCEL, OB_FOREVER); /* does not return */
}

TEST(exit_from_callbacks) {
  static const char *const names[PLACES] = {
      "a post",  "a completion",  "a cancel hook",
      "a timer", "the stop hook", "the watchdog's hook"};
  for (place = 0; place < PLACES; place++)
    check_leaves(names[place], exit_in_place);
}

/* --- Other ways ------------------------------------------------------------
 */

static void quick_exit_busy(void) {
  be_busy();
  leaving();
  quick_exit(7);
}

static void underscore_exit_busy(void) {
  be_busy();
  leaving();
  _exit(7);
}

TEST(quick_exit_and_underscore_exit_while_busy) {
  check_leaves("quick_exit", quick_exit_busy);
  check_leaves("_exit", underscore_exit_busy);
}

/* Its thread ends, the process and the engine go on until somebody exits. */
static void *call_then_exit(void *engine) {
  for (int i = 0; i < 100; i++) flush(engine);
  exit_7();
  return NULL;
}

static void main_ends(void) {
  atexit(take_down);
  pthread_detach(test_thread(call_then_exit, be_busy()));
  pthread_exit(NULL);
}

TEST(the_main_thread_ends_first) {
  check_leaves("pthread_exit of main, then exit", main_ends);
}
