/* Starting: every option's misuse, the start hook in all its endings, names,
 * stacks and signal masks of our threads, and starts that find too few
 * descriptors. shared.c has the shared engine. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "probe.h"

/* --- Options --- */

static void check_refused(const ob_engine_opts *opts, const char *word) {
  ob_engine *engine = (ob_engine *)&engine;
  CHECK_FAILS(ob_engine_start(&engine, opts), OB_EINVAL, word);
  CHECK(engine == NULL);
}

#define BAD(member, value, word)               \
  do {                                         \
    ob_engine_opts opts = OB_ENGINE_OPTS_INIT; \
    opts.member = (value);                     \
    check_refused(&opts, word);                \
  } while (0)

TEST(bad_options_are_refused) {
  int threads = count_threads(), files = count_files();
  BAD(size, 0, "OB_ENGINE_OPTS_INIT");
  BAD(size, sizeof(ob_engine_opts) + 8, "OB_ENGINE_OPTS_INIT");
  BAD(name, "sixteen bytes ..", "name");
  BAD(stack_size, 1, "stack_size");
  BAD(stack_size, 65535, "64 KiB");
  BAD(queue_limit, 0, "queue_limit");
  BAD(batch_limit, 0, "batch_limit");
  BAD(fork_policy, 2, "fork_policy");
  BAD(offload_threads, 0, "offload_threads");
  BAD(offload_threads, 65, "offload_hard_limit");
  BAD(offload_queue, 0, "offload_queue");
  CHECK_FAILS(ob_engine_start(NULL, NULL), OB_EINVAL, "out");
  CHECK_EQ(count_threads(), threads);
  CHECK_EQ(count_files(), files);
}

typedef struct looks {
  char name[16];
  size_t stack;
  unsigned long long blocked;
} looks;

/* The mask of the calling thread, as the kernel has it. */
static unsigned long long blocked_signals(void) {
  char line[256];
  unsigned long long mask = 0;
  FILE *file = fopen("/proc/thread-self/status", "r");
  CHECK(file != NULL);
  while (fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "SigBlk: %llx", &mask) == 1) break;
  fclose(file);
  return mask;
}

static void handle_looks(ob_request *request, void *input, size_t size,
                         void *user) {
  looks *l = user;
  pthread_attr_t attr;
  (void)input;
  (void)size;
  CHECK(pthread_getname_np(pthread_self(), l->name, sizeof l->name) == 0);
  CHECK(pthread_getattr_np(pthread_self(), &attr) == 0);
  CHECK(pthread_attr_getstacksize(&attr, &l->stack) == 0);
  pthread_attr_destroy(&attr);
  l->blocked = blocked_signals();
  ob_complete(request, OB_OK, ob_result_none());
}

static void named_threads(ob_engine_opts *opts) {
  opts->name = "fifteen bytes..";
  opts->stack_size = 3 << 20;
}

TEST(name_and_stack_size_are_applied) {
  ob_engine *engine = test_engine(named_threads);
  looks l = {"", 0, 0};
  ob_call_opts opts = test_call(handle_looks, &l);
  for (int i = 0; i < 2; i++) {
    opts.flags = i ? OB_CALL_OFFLOAD : 0;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
    CHECK(strcmp(l.name, "fifteen bytes..") == 0);
    CHECK(l.stack >= (size_t)3 << 20 && l.stack < (size_t)5 << 20);
  }
  test_stop(engine);
}

/* All but the faults, on the loop and in the pool; the host's is left alone. */
TEST(signals_are_blocked_on_our_threads) {
  static const int free[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGTRAP, SIGSYS,
                             SIGABRT, SIGKILL, SIGSTOP, 32,     33};
  unsigned long long wanted = ~0ull, before;
  sigset_t usr1;
  ob_engine *engine;
  looks l = {"", 0, 0};
  ob_call_opts opts = test_call(handle_looks, &l);
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  CHECK(pthread_sigmask(SIG_BLOCK, &usr1, NULL) == 0);
  before = blocked_signals();
  engine = test_engine(NULL);
  for (size_t i = 0; i < sizeof free / sizeof free[0]; i++)
    wanted &= ~(1ull << (free[i] - 1)); /* 32 and 33 are glibc's own */
  for (int i = 0; i < 2; i++) {
    opts.flags = i ? OB_CALL_OFFLOAD : 0;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
    CHECK_EQ(l.blocked, wanted);
  }
  CHECK_EQ(blocked_signals(), before);
  test_stop(engine);
  CHECK_EQ(blocked_signals(), before);
}

/* --- The start hook --- */

enum { AT_ONCE, BY_A_HANDLER, BY_A_THREAD, LATE_BY_A_THREAD, BLOCKS, KINDS };

typedef struct hook {
  int kind, status, posted, submitted, stopped, go;
  const char *text;
  ob_start_token *token;
} hook;

static void count_post(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  add(arg);
}

static void *answer_token(void *arg) {
  hook *h = arg;
  test_await(&h->go);
  ob_start_done(h->token, h->status, h->text);
  return NULL;
}

static void handle_token(ob_request *request, void *input, size_t size,
                         void *user) {
  hook *h = user;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == ob_request_engine(request));
  ob_complete(request, OB_OK, ob_result_none());
  ob_start_done(h->token, h->status, h->text);
}

/* Submits to the engine, which nobody else can reach yet, and answers. */
static void on_start(ob_engine *engine, ob_start_token *token, void *user) {
  hook *h = user;
  ob_call_opts count = test_call(handle_count, &h->submitted);
  ob_call_opts opts = test_call(handle_token, h);
  CHECK(ob_engine_current() == engine);
  h->token = token;
  if (h->kind <= BY_A_THREAD && h->status == OB_OK) {
    CHECK_EQ(ob_post(engine, count_post, &h->posted), OB_OK);
    CHECK_EQ(ob_submit(NULL, engine, &count), OB_OK);
  }
  if (h->kind == BLOCKS) test_await(&h->go);
  if (h->kind == AT_ONCE || h->kind == BLOCKS)
    ob_start_done(token, h->status, h->text);
  else if (h->kind == BY_A_HANDLER)
    CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  else
    pthread_detach(test_thread(answer_token, h));
}

static void on_stop(ob_engine *engine, void *user) {
  hook *h = user;
  CHECK(ob_engine_current() == engine);
  add(&h->stopped);
}

static ob_engine_opts hook_opts(hook *h) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  opts.on_start = on_start;
  opts.on_stop = on_stop;
  opts.user = h;
  return opts;
}

TEST(a_hook_that_succeeds_at_once_or_later) {
  rest before = measure_rest();
  for (int kind = AT_ONCE; kind <= BY_A_THREAD; kind++) {
    hook h = {.kind = kind, .go = 1};
    ob_engine_opts opts = hook_opts(&h);
    ob_engine *engine;
    CHECK_EQ(ob_engine_start(&engine, &opts), OB_OK);
    flush(engine);
    CHECK_EQ(get(&h.posted), 1);
    CHECK_EQ(get(&h.submitted), 1);
    CHECK_EQ(get(&h.stopped), 0);
    test_stop(engine);
    CHECK_EQ(get(&h.stopped), 1);
    check_at_rest(&before);
  }
}

TEST(a_hook_that_fails_has_its_text_reach_the_caller) {
  rest before = measure_rest();
  char text[600];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  for (int i = 0; i < 3 * (BY_A_THREAD + 1); i++) {
    hook h = {.kind = i / 3, .go = 1, .status = -7};
    ob_engine_opts opts = hook_opts(&h);
    ob_engine *engine = (ob_engine *)&engine;
    h.text = i % 3 == 0 ? "no database at /x.db" : i % 3 == 1 ? text : NULL;
    CHECK_EQ(ob_engine_start(&engine, &opts), OB_ESTART);
    CHECK(engine == NULL);
    if (i % 3 == 0)
      CHECK(strcmp(ob_last_error_detail(), "no database at /x.db") == 0);
    if (i % 3 == 1) CHECK(strncmp(ob_last_error_detail(), text, 200) == 0);
    if (i % 3 == 2) CHECK(strcmp(ob_last_error_detail(), ob_strerror(-7)) == 0);
    check_at_rest(&before); /* it has gone by itself */
    CHECK_EQ(get(&h.stopped), 0);
  }
}

/* Whatever the late answer says, the engine then goes. */
TEST(a_hook_that_is_late_times_out_and_frees_the_engine_later) {
  static hook hooks[4]; /* a detached thread reads each to the end */
  rest before = measure_rest();
  for (int i = 0; i < 4; i++) {
    hook *h = &hooks[i];
    ob_engine_opts opts = hook_opts(h);
    ob_engine *engine = (ob_engine *)&engine;
    uint64_t begin = test_now();
    h->kind = i % 2 ? BLOCKS : LATE_BY_A_THREAD;
    h->status = i < 2 ? OB_OK : OB_ESYSTEM;
    opts.start_timeout_ns = 30 * MS;
    CHECK_FAILS(ob_engine_start(&engine, &opts), OB_ETIMEDOUT, "on_start");
    CHECK(test_now() - begin >= 30 * MS && test_now() - begin < 20 * S);
    CHECK(engine == NULL);
    CHECK(count_threads() > before.threads); /* it is kept until the answer */
    set(&h->go, 1);
    check_at_rest(&before);
    CHECK_EQ(get(&h->stopped), 0);
  }
}

/* --- Few descriptors --- */

/* Leaves this process count descriptors and no more. */
static void leave_free(int count) {
  struct rlimit limit;
  int top = 0;
  for (int fd = 0; fd < 1024; fd++)
    if (fcntl(fd, F_GETFD) >= 0) top = fd;
  while (dup(0) <= top) { /* no holes below */
  }
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = (rlim_t)(top + 2 + count);
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* OB_OK, or OB_ESYSTEM twice. The first time libuv may make the pipe that it
 * keeps for the process; the second time nothing may stay behind. */
static int start_with(int free) {
  int threads = count_threads() + TOOL_THREADS, files = 0;
  char text[256];
  leave_free(free);
  for (int i = 0; i < 2; i++) {
    ob_engine *engine = test_engine(NULL);
    int had = test_ask(engine, text, sizeof text);
    flush(engine);
    test_stop(engine);
    if (had) return OB_OK;
    CHECK(strstr(text, "oo many open files") != NULL);
    if (i == 0) files = count_files();
  }
  CHECK_EQ(count_files(), files);
  while (count_threads() > threads) test_sleep_ms(1); /* is being reaped */
  return OB_ESYSTEM;
}

enum { STARTED = 10, REFUSED, NOT_ROOT };

/* In a child: its status is one of these, or it died. */
static int child_start_with(int free, int warm) {
  int status;
  pid_t pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (warm) measure_rest();
    _exit(start_with(free) == OB_OK ? STARTED : REFUSED);
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  return status;
}

/* The first uv_loop_init of a process makes a pipe for signals and abort()s
 * when it cannot (libuv 1.44 with 2 or 3 descriptors free), so the core has to
 * see to it that they are there; in a warm process the pipe exists. */
enum { ENOUGH = 16 };

TEST(few_descriptors_fail_the_loop_cleanly) {
  for (int warm = 0; warm < 2; warm++) {
    int refused = 0, started = 0;
    for (int free = 0; free <= ENOUGH; free++) {
      int status = child_start_with(free, warm);
      if (!WIFEXITED(status) || WEXITSTATUS(status) < STARTED)
        test_fail(__FILE__, __LINE__, "%d free, warm %d: status %x", free, warm,
                  status);
      CHECK(!started || WEXITSTATUS(status) == STARTED);
      started = WEXITSTATUS(status) == STARTED;
      refused += !started;
    }
    printf("  %s process: refused at %d counts\n", warm ? "warm" : "fresh",
           refused);
    CHECK(started && refused > 2);
  }
}

/* --- An empty file system --- */

/* A guest may be started where there is neither /proc nor /dev. */
TEST(start_needs_no_file) {
  char root[] = "/tmp/outboard-XXXXXX";
  int status;
  pid_t pid;
  CHECK(mkdtemp(root) != NULL);
  pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    ob_engine *engine;
    if (chroot(root) != 0 || chdir("/") != 0) _exit(NOT_ROOT);
    CHECK_EQ(ob_engine_start(&engine, NULL), OB_OK);
    flush(engine);
    test_stop(engine);
    _exit(STARTED);
  }
  CHECK(waitpid(pid, &status, 0) == pid);
  CHECK(rmdir(root) == 0);
  CHECK(WIFEXITED(status));
  if (WEXITSTATUS(status) == NOT_ROOT)
    printf("  left out: chroot is for root\n");
  else
    CHECK_EQ(WEXITSTATUS(status), STARTED);
}
