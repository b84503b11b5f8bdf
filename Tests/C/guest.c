/* A whole life of engines in a host with unusual settings: nothing of the
 * host's is another after any step (manners.h), nothing is written to stdout or
 * stderr, no SIGPIPE reaches the host, though peers go away, and programs that
 * it starts inherit no descriptor. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <sys/socket.h>
#include <sys/wait.h>

#include "child.h"
#include "manners.h"
#include "outboard_spi.h"
#include "outboard_uv.h"

/* --- The host --------------------------------------------------------------
 */

static int pipes, children; /* signals that came */

static void on_pipe(int number) {
  (void)number;
  add(&pipes);
}

static void on_child(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)info;
  (void)context;
  add(&children);
}

static void *do_nothing(void *arg) {
  return arg;
}

/* Nothing is as a library may expect it. */
static void be_unusual(void) {
  static char stack_memory[65536];
  static char locale[] = "C.UTF-8";
  stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
  struct itimerval timer = {{3000, 0}, {3000, 0}};
  struct sigaction action;
  sigset_t set;
  test_join(test_thread(do_nothing, NULL)); /* glibc then takes signal 33 */
  memset(&action, 0, sizeof action);
  action.sa_handler = on_pipe;
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(SIGPIPE, &action, NULL) == 0);
  action.sa_sigaction = on_child;
  action.sa_flags = SA_SIGINFO | SA_NOCLDSTOP;
  CHECK(sigaction(SIGCHLD, &action, NULL) == 0);
  sigaddset(&action.sa_mask, SIGTERM);
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
  signal(SIGHUP, SIG_IGN);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigaddset(&set, SIGWINCH);
  CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
  CHECK(sigaltstack(&stack, NULL) == 0);
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
  CHECK(setenv("UV_THREADPOOL_SIZE", "3", 1) == 0);
  CHECK(setenv("TZ", "Antarctica/Troll", 1) == 0);
  (void)setlocale(LC_ALL, locale); /* where it is to be had */
  umask(0137);
  CHECK(chdir("/proc") == 0);
  CHECK(fesetround(FE_UPWARD) == 0);
  prctl(PR_SET_TIMERSLACK, 12345, 0, 0, 0);
  prctl(PR_SET_NAME, "the host", 0, 0, 0);
  setpriority(PRIO_PROCESS, 0, 1);
  test_pin(0);
}

static manners *before; /* NULL: do not look */

static void step(const char *name) {
  if (before != NULL) manners_check(before, name);
}

/* --- Its guest -------------------------------------------------------------
 */

static int stalls;

static void on_stall(const ob_stall *stall, void *user) {
  (void)stall;
  (void)user;
  add(&stalls);
}

static void refuse_start(ob_engine *engine, ob_start_token *token, void *user) {
  (void)engine;
  (void)user;
  ob_start_done(token, OB_ESYSTEM, "no such luck");
}

/* A start that fails, and one that is given up; options that are wrong. */
static void fail_to_start(void) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  ob_engine *engine;
  opts.on_start = refuse_start;
  CHECK_EQ(ob_engine_start(&engine, &opts), OB_ESTART);
  opts.queue_limit = 0;
  CHECK_EQ(ob_engine_start(&engine, &opts), OB_EINVAL);
  CHECK_EQ(ob_call(NULL, NULL, NULL), OB_EINVAL);
  CHECK_EQ(ob_engine_shared(NULL, NULL), OB_EINVAL);
}

static ob_engine *start_watched(void) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  ob_engine *engine;
  inspect.stall_ns = 5 * MS;
  inspect.on_stall = on_stall;
  inspect.stack_signal = SIGRTMIN + 5;
  opts.inspect = &inspect;
  opts.offload_idle_ns = 50 * MS;
  CHECK_EQ(ob_engine_start(&engine, &opts), OB_OK);
  return engine;
}

static void call_all_ways(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_count, NULL);
  ob_ticket *ticket;
  ob_request *request;
  for (int i = 0; i < 3; i++) {
    opts.flags = i == 1 ? OB_CALL_SYNC : i == 2 ? OB_CALL_OFFLOAD : 0;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  }
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(ticket);
  request = keep(engine, "kept", &ticket);
  CHECK_EQ(ob_ticket_wait(ticket, 3 * MS, NULL), OB_ETIMEDOUT);
  CHECK_EQ(ob_ticket_cancel(ticket), OB_OK);
  ob_complete(request, OB_ECANCELED, ob_result_none());
  ob_ticket_release(ticket);
  opts.flags = 0;
  opts.deadline_ns = 0;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_ETIMEDOUT);
}

/* The watchdog borrows a signal that it was given, and gives it back. */
static void be_held(ob_engine *engine) {
  char text[8192];
  test_blocker blocker;
  test_block_loop(engine, &blocker);
  await_count(&stalls, 1, "the report of a stall");
  test_unblock_loop(&blocker);
  CHECK(ob_engine_health_json(engine, text, sizeof text) > 0);
  CHECK(ob_inspect_trace_json(engine, text, sizeof text) > 0);
}

static void run_process(ob_engine *engine) {
  char name[] = "sh", option[] = "-c", line[] = "exit 5";
  char *argv[] = {name, option, line, NULL};
  ob_spawn spawn = {.path = "/bin/sh", .argv = argv, .stdio = {-1, -1, -1}};
  int32_t pid;
  int pidfd, how, code, came = get(&children);
  (void)engine;
  CHECK_EQ(ob_spi_spawn(&spawn, &pid, &pidfd), 0);
  CHECK_EQ(ob_spi_await(pidfd, 20 * S), 1);
  CHECK_EQ(ob_spi_reap(pidfd, &how, &code), 0);
  CHECK(how == OB_CHILD_EXITED && code == 5);
  ob_spi_close(pidfd);
  CHECK(get(&children) > came); /* the host is told of it, as of any child */
}

/* To a socket, to a pipe, and as a library on the loop does it: plain. */
static void write_to_the_gone(void) {
  int pair[2], ends[2];
  sigset_t pending;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  CHECK_EQ(ob_spi_pipe(ends, 1), 0);
  close(pair[1]);
  close(ends[0]);
  CHECK_EQ(ob_spi_send(pair[0], "x", 1), -EPIPE);
  CHECK_EQ(ob_spi_write(ends[1], "x", 1), -EPIPE);
  if (ob_engine_current() != NULL)
    CHECK(write(ends[1], "x", 1) == -1 && errno == EPIPE);
  sigpending(&pending);
  CHECK_EQ(sigismember(&pending, SIGPIPE), ob_engine_current() != NULL);
  close(pair[0]);
  close(ends[1]);
}

static void handle_write(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)input;
  (void)size;
  (void)user;
  write_to_the_gone();
  ob_complete(request, OB_OK, ob_result_none());
}

static void lose_peers(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_write, NULL);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  write_to_the_gone();
  CHECK_EQ(get(&pipes), 0);
}

static void use_in_child(void *engine) {
  ob_call_opts opts = test_call(handle_count, NULL);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_EFORKED);
}

/* One that does not stop in time, and what is said of it. */
static void stop_late(ob_engine *engine) {
  ob_ticket *ticket;
  ob_request *request = keep(engine, "slow", &ticket);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, 2 * MS), OB_ETIMEDOUT);
  ob_complete(request, OB_OK, ob_result_none());
  ob_ticket_release(ticket);
  test_stop(engine);
  test_sleep_ms(1);
}

static void live(void) {
  ob_engine *engine, *shared;
  fail_to_start();
  step("starts that fail");
  engine = start_watched();
  step("a start");
  call_all_ways(engine);
  step("calls");
  be_held(engine);
  step("a stall");
  run_process(engine);
  step("a process");
  lose_peers(engine);
  step("peers that went away");
  if (!TOOL_THREADS) in_child(use_in_child, engine);
  step("a fork");
  CHECK_EQ(ob_engine_shared(&shared, NULL), OB_OK);
  flush(shared);
  step("the shared engine");
  ob_engine_dispose(shared);
  stop_late(engine);
  step("the end");
}

/* --- The tests -------------------------------------------------------------
 */

TEST(nothing_of_the_hosts_is_changed) {
  rest were;
  manners *first, *last;
  const char *line;
  be_unusual();
  before = manners_now(0);
  live();
  were = measure_rest(); /* libuv keeps a pipe from its first loop on */
  first = manners_now(1);
  set(&stalls, 0);
  live();
  check_at_rest(&were);
  last = manners_now(1);
  line = manners_differ(first, last);
  if (line != NULL) test_fail(__FILE__, __LINE__, "at the end: %s", line);
  CHECK_EQ(get(&pipes), 0);
  free(first);
  free(last);
}

/* In a fresh process the very first start is compared, too. */
TEST(the_first_start_changes_nothing) {
  ob_engine *engine;
  be_unusual();
  before = manners_now(0);
  engine = test_engine(NULL);
  step("the first start");
  flush(engine);
  step("a call");
  test_stop(engine);
  step("the stop");
}

static void live_and_exit(void) {
  live();
  flush(test_engine(NULL));
  exit(7); /* with an engine that runs */
}

TEST(nothing_is_written) {
  FILE *out = tmpfile(), *err = tmpfile();
  char text[2000];
  int status;
  pid_t pid;
  CHECK(out != NULL && err != NULL);
  pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    CHECK(dup2(fileno(out), 1) == 1 && dup2(fileno(err), 2) == 2);
    be_unusual();
    live_and_exit();
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  for (int i = 0; i < 2; i++) {
    FILE *file = i ? err : out;
    size_t count;
    rewind(file);
    count = fread(text, 1, sizeof text - 1, file);
    text[count] = '\0';
    if (count != 0)
      test_fail(__FILE__, __LINE__, "on %s: %s", i ? "stderr" : "stdout", text);
    fclose(file);
  }
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* --- Programs that the host starts ------------------------------------------
 */

static void handle_look(ob_request *request, void *input, size_t size,
                        void *before) {
  int ours = 0;
  (void)input;
  (void)size;
  for (int fd = 0; fd < 1024; fd++) {
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || ((const char *)before)[fd]) continue;
    ours++;
    if (!(flags & FD_CLOEXEC))
      test_fail(__FILE__, __LINE__, "descriptor %d is not close-on-exec", fd);
  }
  CHECK(ours >= 9); /* 5 of the loop, 2 that libuv keeps, 2 of the queue */
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(every_descriptor_is_close_on_exec) {
  char before[1024];
  ob_engine *engine;
  ob_cq *cq;
  ob_call_opts opts = test_call(handle_look, before);
  for (int fd = 0; fd < 1024; fd++) before[fd] = fcntl(fd, F_GETFD) >= 0;
  engine = start_watched();
  test_lend(engine);
  CHECK_EQ(ob_cq_create(&cq), OB_OK);
  opts.flags = OB_CALL_OFFLOAD;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  opts.flags = 0;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
  test_stop(engine);
}
