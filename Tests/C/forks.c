/* Forks by the thousand, by a host whose other threads call, submit, wait, post
 * and offload, with timers running: each child makes a call, under both
 * policies, and leaves by exit() or _exit(); none hangs or crashes, no zombie
 * stays, and the parent gets every answer. And forks from our own threads. */
#include <errno.h>
#include <spawn.h>
#include <sys/prctl.h>

#include "child.h"
#include "load.h"

extern char **environ;

/* --- Children --------------------------------------------------------------
 */

static void check_refused(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_count, NULL);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_EFORKED);
  CHECK_EQ(ob_post(engine, load_posted, NULL), OB_EFORKED);
}

enum { REFUSED, FRESH, STOPPED, OWN, KINDS };

static void be_child(const load *l, unsigned kind) {
  ob_engine *own;
  check_refused(l->fails);
  if (kind == FRESH || kind == STOPPED) {
    call_with(l->restarts, 0, 60 * S);
    call_with(l->restarts, OB_CALL_SYNC, OB_FOREVER);
    call_with(l->restarts, OB_CALL_OFFLOAD, OB_FOREVER);
  }
  if (kind == STOPPED) test_stop(l->restarts);
  if (kind == OWN) {
    own = test_engine(NULL);
    call_with(own, 0, OB_FOREVER);
  }
}

static void await_exit(pid_t pid, int wanted) {
  uint64_t end = test_now() + 2 * CHILD_NS;
  int status;
  pid_t got;
  CHECK(pid > 0);
  while ((got = waitpid(pid, &status, WNOHANG)) == 0) {
    if (test_now() > end) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      test_fail(__FILE__, __LINE__, "child %d hangs", (int)pid);
    }
    test_sleep_ms(1);
  }
  CHECK_EQ(got, pid);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != wanted)
    test_fail(__FILE__, __LINE__, "a child ended with status %x", status);
}

static void fork_once(const load *l, unsigned i) {
  pid_t pid = fork();
  if (pid != 0) {
    await_exit(pid, 7);
    return;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* it may hang, and its test be killed */
  be_child(l, i % KINDS);
  if (i / KINDS % 2) exit(7);
  _exit(7);
}

/* --- The tests -------------------------------------------------------------
 */

TEST(fork_1000_times_under_load) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  uint64_t forks = test_full(1000, 10000), begun = test_now();
  pthread_t threads[WORKERS];
  load l;
  load_begin(&l, threads);
  for (uint64_t i = 0; i < forks; i++) fork_once(&l, (unsigned)i);
  load_end(&l, threads);
  CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
  printf("  %llu forks in %.1f s beside %llu answers\n",
         (unsigned long long)forks, (double)(test_now() - begun) / 1e9,
         (unsigned long long)l.answers);
  CHECK(l.answers > forks);
}

static void spawn_once(void) {
  static char name[] = "sh", option[] = "-c", line[] = "exit 3";
  char *argv[] = {name, option, line, NULL};
  pid_t pid;
  CHECK_EQ(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
  await_exit(pid, 3);
}

/* These share our memory until exec: nothing may take them for a fork. */
TEST(posix_spawn_and_system_under_load) {
  uint64_t rounds = test_full(100, 1000);
  pthread_t threads[WORKERS];
  load l;
  load_begin(&l, threads);
  for (uint64_t i = 0; i < rounds; i++) {
    int status = 0;
    spawn_once();
    status = system("exit 4");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
  }
  load_end(&l, threads);
}

/* --- From our own threads --- */

static void fork_here(const load *l) {
  for (unsigned i = 0; i < 2 * KINDS; i++) fork_once(l, i);
}

static void handle_fork(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  fork_here(user);
  ob_complete(request, OB_OK, ob_result_none());
}

typedef struct told {
  load *load;
  int done;
} told;

static void done_fork(int status, ob_result *result, void *user) {
  told *t = user;
  (void)result;
  CHECK_EQ(status, OB_OK);
  fork_here(t->load);
  set(&t->done, 1);
}

static void post_fork(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  fork_here(arg);
}

static void fork_on(ob_engine *engine, load *l) {
  ob_call_opts opts = test_call(handle_fork, l);
  told t = {l, 0};
  for (int i = 0; i < 3; i++) {
    opts.flags = i == 1 ? OB_CALL_SYNC : i == 2 ? OB_CALL_OFFLOAD : 0;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  }
  opts = test_call(handle_count, NULL);
  opts.on_done = done_fork;
  opts.done_user = &t;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  CHECK_EQ(ob_post(engine, post_fork, l), OB_OK);
  flush(engine);
  await_count(&t.done, 1, "the callback");
}

TEST(fork_on_the_loop_and_in_the_pool_under_load) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  pthread_t threads[WORKERS];
  load l;
  load_begin(&l, threads);
  fork_on(l.fails, &l);
  fork_on(l.restarts, &l);
  load_end(&l, threads);
}

/* A child with engines of its own, at work, forks in turn. */
static void fork_in_turn(void *arg) {
  const load *parent = arg;
  pthread_t threads[WORKERS];
  load l;
  call_with(parent->restarts, 0, OB_FOREVER);
  load_begin(&l, threads);
  for (unsigned i = 0; i < 2 * KINDS; i++) {
    fork_once(&l, i);
    fork_once(parent, i);
  }
  load_end(&l, threads);
}

TEST(a_childs_children_under_load) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  pthread_t threads[WORKERS];
  load l;
  load_begin(&l, threads);
  for (int i = 0; i < 10; i++) in_child(fork_in_turn, &l);
  load_end(&l, threads);
}

/* --- A child that does not leave its handler --- */

/* Forks; the child goes on as if it were still the parent's loop. */
static void fork_and_return(void *child) {
  pid_t pid = fork();
  if (pid != 0) __atomic_store_n((pid_t *)child, pid, __ATOMIC_RELEASE);
}

static void handle_return(ob_request *request, void *input, size_t size,
                          void *user) {
  (void)input, (void)size;
  fork_and_return(user);
  if (get(user) != 0) ob_complete(request, OB_OK, ob_result_none());
}

static void return_from_post(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  fork_and_return(arg);
}

static void handle_answer(ob_request *request, void *input, size_t size,
                          void *user) {
  (void)input, (void)size, (void)user;
  ob_complete(request, OB_OK, ob_result_none());
}
static void return_from_done(int status, ob_result *result, void *user) {
  (void)result;
  CHECK_EQ(status, OB_OK);
  fork_and_return(user);
}

enum { HANDLER, SYNC_HANDLER, OFFLOADED, POST, DONE, WAYS };

static void begin_returning(ob_engine *engine, int way, pid_t *child) {
  ob_call_opts opts = test_call(handle_return, child);
  if (way == POST) {
    CHECK_EQ(ob_post(engine, return_from_post, child), OB_OK);
    return;
  }
  opts.flags = way == OFFLOADED      ? OB_CALL_OFFLOAD
               : way == SYNC_HANDLER ? OB_CALL_SYNC
                                     : 0;
  if (way == DONE) {
    opts.handler = handle_answer;
    opts.on_done = return_from_done;
    opts.done_user = child;
  }
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
}

static void await_abort(pid_t child) {
  uint64_t end = test_now() + CHILD_NS;
  int status;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (test_now() > end) {
      kill(child, SIGKILL);
      waitpid(child, NULL, 0);
      test_fail(__FILE__, __LINE__, "the child lives on");
    }
    test_sleep_ms(1);
  }
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* It would serve the parent's descriptors, or wait for threads that it does not
 * have; it ends at once and says why. */
TEST(a_child_that_returns_from_its_handler_is_ended) {
  ob_engine *engine = test_engine(NULL);
  static pid_t children[WAYS]; /* a loop may look at the one before */
  int ends[2], saved = dup(2), way;
  CHECK(saved >= 0 && pipe(ends) == 0);
  for (way = 0; way < WAYS; way++) {
    char text[400] = "";
    CHECK(dup2(ends[1], 2) == 2);
    begin_returning(engine, way, &children[way]);
    test_await(&children[way]);
    CHECK(dup2(saved, 2) == 2);
    await_abort(children[way]);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK(strstr(text, "fork") != NULL && strstr(text, "cure:") != NULL);
  }
  test_stop(engine);
}
