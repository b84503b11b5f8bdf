/* The wall clock may jump by hours: no deadline, timer or wait moves, for none
 * looks at it. Three witnesses: this program answers for the wall clock, lets
 * it jump, and counts who asks; a seccomp filter kills the process at the first
 * system call that would wait by the wall clock; and a namespace whose
 * monotonic clock is years ahead. The machine's clock is never set. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include "child.h"
#include "load.h"
#include "outboard_spi.h"
#include "stream_kit.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* --- The wall clock, as everybody in this process sees it ------------------
 */

static int64_t offset_s; /* atomic */
static int asked;        /* how often it was read */

#if !TOOL_THREADS && !TOOL_HEAP /* these answer for it themselves */
static int read_clock(clockid_t clock, struct timespec *ts) {
  int rc = (int)syscall(SYS_clock_gettime, clock, ts);
  if (rc == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    add(&asked);
    ts->tv_sec += __atomic_load_n(&offset_s, __ATOMIC_RELAXED);
  }
  return rc;
}

int clock_gettime(clockid_t clock, struct timespec *ts) {
  return read_clock(clock, ts);
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone) {
  struct timespec ts;
  (void)zone;
  read_clock(CLOCK_REALTIME, &ts);
  *tv = (struct timeval){ts.tv_sec, ts.tv_nsec / 1000};
  return 0;
}

time_t time(time_t *out) {
  struct timespec ts;
  read_clock(CLOCK_REALTIME, &ts);
  if (out != NULL) *out = ts.tv_sec;
  return ts.tv_sec;
}
#endif

/* --- Waits of every kind ---------------------------------------------------
 */

static void check_took(uint64_t begin, uint64_t wanted, const char *what) {
  uint64_t took = test_now() - begin;
  if (took < wanted || took > wanted + 20 * S)
    test_fail(__FILE__, __LINE__, "%s took %llu us, not %llu", what,
              (unsigned long long)took / 1000,
              (unsigned long long)wanted / 1000);
}

#define TOOK(ns, call)             \
  do {                             \
    uint64_t begin_ = test_now();  \
    call;                          \
    check_took(begin_, ns, #call); \
  } while (0)

/* A blocked call, a ticket, several, and the loop's timer. */
static void wait_for_calls(ob_engine *engine, uint64_t ns) {
  ob_request *kept = NULL;
  ob_call_opts opts = test_call(handle_keep, &kept);
  ob_ticket *ticket;
  size_t index;
  opts.deadline_ns = ns;
  TOOK(ns, CHECK_EQ(ob_call(engine, &opts, NULL), OB_ETIMEDOUT));
  flush(engine);
  if (kept != NULL) ob_complete(kept, OB_OK, ob_result_none());
  kept = keep(engine, NULL, &ticket);
  TOOK(ns, CHECK_EQ(ob_ticket_wait(ticket, ns, NULL), OB_ETIMEDOUT));
  TOOK(ns, CHECK_EQ(ob_wait_any(&ticket, 1, ns, &index), OB_ETIMEDOUT));
  TOOK(ns, CHECK_EQ(ob_wait_all(&ticket, 1, ns), OB_ETIMEDOUT));
  CHECK_EQ(ob_complete(kept, OB_OK, ob_result_none()), OB_OK);
  ob_ticket_release(ticket);
}

static void handle_again(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)input;
  (void)size;
  if (ob_request_attempt(request) > 1 ||
      ob_request_again(request, *(uint64_t *)user) != OB_OK)
    ob_complete(request, OB_OK, ob_result_none());
}

typedef struct ticking {
  ob_timer timer; /* first */
  uint64_t ns;
  int fired;
} ticking;

static void fire(ob_timer *timer, int status) {
  CHECK_EQ(status, OB_OK);
  add(&((ticking *)timer)->fired);
}

static void arm(void *arg, int status) {
  ticking *tick = arg;
  CHECK_EQ(status, OB_OK);
  ob_spi_timer_start(ob_engine_current(), &tick->timer, tick->ns);
}

static void wait_for_timers(ob_engine *engine, uint64_t ns) {
  ticking tick = {.timer = {.fire = fire}, .ns = ns};
  ob_call_opts opts = test_call(handle_again, &ns);
  uint64_t begin;
  TOOK(ns, CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK));
  begin = test_now();
  CHECK_EQ(ob_post(engine, arm, &tick), OB_OK);
  await_count(&tick.fired, 1, "the timer");
  check_took(begin, ns, "a timer");
}

/* A stream's next, a monitor, a descriptor. */
static void wait_for_others(ob_engine *engine, uint64_t ns) {
  ob_monitor *monitor = ob_spi_monitor_new();
  ob_stream *stream;
  ob_emitter *emitter = open_pair(engine, 4, &stream, NULL);
  ob_result out;
  int ends[2];
  CHECK(monitor != NULL && ob_spi_pipe(ends, 0) == 0);
  TOOK(ns, CHECK_EQ(ob_stream_next(stream, ns, &out, NULL), OB_ETIMEDOUT));
  ob_emitter_end(emitter, OB_OK);
  ob_stream_release(stream);
  ob_spi_monitor_lock(monitor);
  TOOK(ns, ob_spi_monitor_wait(monitor, ns));
  ob_spi_monitor_unlock(monitor);
  ob_spi_monitor_free(monitor);
  TOOK(ns, CHECK_EQ(ob_spi_await(ends[0], ns), 0));
  close(ends[0]);
  close(ends[1]);
}

static void room_for_one(ob_engine_opts *opts) {
  opts->queue_limit = 1;
}

/* For room, for a stop. */
static void wait_for_engines(uint64_t ns) {
  ob_engine *engine = test_engine(room_for_one);
  ob_call_opts opts = test_call(handle_count, NULL);
  test_blocker blocker;
  ob_ticket *ticket;
  ob_request *kept;
  test_block_loop(engine, &blocker);
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  opts.deadline_ns = ns;
  TOOK(ns, CHECK_EQ(ob_submit(NULL, engine, &opts), OB_ETIMEDOUT));
  test_unblock_loop(&blocker);
  kept = keep(engine, NULL, &ticket);
  TOOK(ns, CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, ns), OB_ETIMEDOUT));
  ob_complete(kept, OB_OK, ob_result_none());
  ob_ticket_release(ticket);
  test_stop(engine);
}

typedef struct lateness {
  ob_timer timer; /* first */
  ob_start_token *token;
} lateness;

static void answer_late(ob_timer *timer, int status) {
  lateness *late = (lateness *)timer;
  (void)status;
  ob_start_done(late->token, OB_OK, NULL);
  free(late);
}

/* By a timer: on a busy machine the hook may begin when the starter has given
 * up, which must not look for the token then. */
static void start_late(ob_engine *engine, ob_start_token *token, void *user) {
  lateness *late = calloc(1, sizeof *late);
  CHECK(late != NULL);
  late->timer.fire = answer_late;
  late->token = token;
  ob_spi_timer_start(engine, &late->timer, (uintptr_t)user + 500 * MS);
}

static void wait_for_a_start(uint64_t ns) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  ob_engine *engine;
  opts.on_start = start_late;
  opts.user = (void *)(uintptr_t)ns;
  opts.start_timeout_ns = ns;
  TOOK(ns, CHECK_EQ(ob_engine_start(&engine, &opts), OB_ETIMEDOUT));
}

/* The pool's idle threads leave in time, and not at once. */
static void short_idle(ob_engine_opts *opts) {
  opts->offload_idle_ns = 30 * MS;
}

static void wait_for_the_pool(ob_engine *engine) {
  ob_stats stats = OB_STATS_INIT;
  uint64_t begin = test_now();
  call_with(engine, OB_CALL_OFFLOAD, OB_FOREVER);
  do {
    CHECK(test_now() < begin + 20 * S);
    CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  } while (stats.offload_threads > 0);
  check_took(begin, 30 * MS, "an idle pool thread");
}

static void wait_in_all_ways(void) {
  rest before = {count_threads(), 0};
  ob_engine *engine = test_engine(short_idle);
  ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  inspect.stall_ns = 5 * MS;
  CHECK_EQ(ob_inspect(engine, &inspect), OB_OK);
  for (int i = 0; i < 4; i++) {
    uint64_t ns = (uint64_t)(i + 1) * 7 * MS;
    wait_for_calls(engine, ns);
    wait_for_timers(engine, ns);
    wait_for_others(engine, ns);
    wait_for_engines(ns);
    wait_for_a_start(ns);
  }
  wait_for_the_pool(engine);
  test_stop(engine);
  before.files = count_files() + 10; /* threads only */
  check_at_rest(&before);
}

/* --- Jumps -----------------------------------------------------------------
 */

static int quit;

/* By up to ten hours, to and fro, a thousand times a second. */
static void *jump(void *arg) {
  uint64_t seed = *(uint64_t *)arg;
  while (!get(&quit)) {
    int64_t to = (int64_t)(test_random(&seed) % 72000) - 36000;
    __atomic_store_n(&offset_s, to, __ATOMIC_RELAXED);
    test_sleep_ms(1);
  }
  return NULL;
}

TEST(the_wall_clock_jumps_by_hours) {
  uint64_t seed = test_seed();
  struct timespec ts;
  pthread_t thread = test_thread(jump, &seed);
  clock_gettime(CLOCK_REALTIME, &ts); /* this is counted, so all would be */
  CHECK(get(&asked) == 1 || TOOL_THREADS || TOOL_HEAP);
  wait_in_all_ways();
  CHECK(get(&asked) <= 1); /* nobody else has asked */
  set(&quit, 1);
  test_join(thread);
}

/* --- By system calls -------------------------------------------------------
 */

#define LOAD(member, low)            \
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
           offsetof(struct seccomp_data, member) + (low))
#define IS(value, then, otherwise) \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (then), (otherwise))
#define HAS(bits, then, otherwise) \
  BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (bits), (then), (otherwise))
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* From here on a wait by the wall clock is the end of the process: a futex with
 * a timeout, an absolute sleep, a timer. (An untimed pthread_cond_wait sets the
 * bit, too, and means nothing by it.) */
static int forbid_wall_clock(void) {
  static struct sock_filter filter[] = {
      LOAD(nr, 0),
      IS(SYS_futex, 0, 8),
      LOAD(args[1], 0),
      HAS(FUTEX_CLOCK_REALTIME, 0, 4),
      LOAD(args[3], 0),
      IS(0, 0, 3),
      LOAD(args[3], 4),
      IS(0, 0, 1),
      ALLOW,
      KILL,
      IS(SYS_clock_nanosleep, 0, 5),
      LOAD(args[0], 0),
      IS(CLOCK_REALTIME, 0, 2),
      LOAD(args[1], 0),
      HAS(TIMER_ABSTIME, 6, 0),
      ALLOW,
      IS(SYS_timerfd_create, 1, 0),
      IS(SYS_timer_create, 0, 2),
      LOAD(args[0], 0),
      IS(CLOCK_REALTIME, 1, 0),
      ALLOW,
      KILL,
  };
  static const struct sock_fprog program = {sizeof filter / sizeof filter[0],
                                            filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* What is forbidden, so that the filter is known to see it. */
static void wait_wrongly(int way) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  ts.tv_sec += 36000;
  pthread_mutex_lock(&mutex);
  if (way == 0) pthread_cond_timedwait(&cond, &mutex, &ts);
  if (way == 1) clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL);
  if (way == 2) timerfd_create(CLOCK_REALTIME, 0);
  _exit(0);
}

TEST(no_system_call_waits_by_the_wall_clock) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP); /* these have waits of their own */
  for (int way = 0; way < 4; way++) {
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      if (!forbid_wall_clock()) _exit(77);
      if (way < 3) wait_wrongly(way);
      wait_in_all_ways();
      _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
      printf("  left out: no seccomp here\n");
      return;
    }
    if (way < 3)
      CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    else
      CHECK_EQ(status, 0);
  }
}

/* --- Another monotonic clock -----------------------------------------------
 */

static void run_there(void *arg) {
  (void)arg;
  CHECK(test_now() > 100u * 365 * 86400 * S / 10);
  wait_in_all_ways();
}

TEST(a_monotonic_clock_years_ahead) {
  LEAVE_OUT_IF(TOOL_THREADS);
  FILE *file;
  if (unshare(CLONE_NEWTIME) != 0) {
    printf("  left out: %s\n", strerror(errno));
    return;
  }
  file = fopen("/proc/self/timens_offsets", "w");
  CHECK(file != NULL);
  CHECK(fputs("monotonic 315360000 0\n", file) >= 0); /* ten years */
  CHECK(fclose(file) == 0);
  in_child(run_there, NULL); /* children are in the namespace, we are not */
}
