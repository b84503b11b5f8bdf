/* What broken.c and broken_calls.c share: an engine, a host that closes its
 * descriptors, and what is true of the engine from then on.
 *
 * A loop that is awake while the descriptors go is safe only where libuv was
 * redirected (VARIANT=static); the system's libuv may look at its set in the
 * microsecond after we did, and then aborts. */
#ifndef BROKEN_H
#define BROKEN_H

#include "child.h"
#include "internal.h"
#include "strangers.h"

#ifdef TEST_STATIC_UV
#define SYSTEM_UV 0
#else
#define SYSTEM_UV 1
#endif

/* ThreadSanitizer takes atomics for plain accesses in a thread that was
 * cancelled inside a call which blocks (its interceptor's frame never ends): it
 * would report each of them. */
#define ASLEEP LEAVE_OUT_IF(TOOL_THREADS)
#define AWAKE LEAVE_OUT_IF(TOOL_THREADS || SYSTEM_UV)

static inline void ran(void *arg, int status) {
  (void)status;
  if (arg != NULL) add(arg);
}

/* One that has been asked for its libuv loop, and so sleeps there. */
static inline ob_engine *uv_engine(void (*change)(ob_engine_opts *)) {
  ob_engine *engine = test_engine(change);
  test_lend(engine);
  return engine;
}

/* The thread is blocked in the kernel. */
static inline int is_blocked(int thread) {
  char path[64], text[256] = "", *end;
  int fd;
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  CHECK(fd >= 0);
  CHECK(read(fd, text, sizeof text - 1) > 0);
  close(fd);
  end = strrchr(text, ')');
  return end != NULL && end[2] == 'S';
}

/* Announced, and in the kernel: on the way there it does not block. */
static inline void await_sleep(ob_engine *engine) {
  flush(engine);
  while (__atomic_load_n(&engine->head, __ATOMIC_ACQUIRE) != OB__SLEEPING ||
         !is_blocked(engine->loop_tid))
    test_sleep_ms(1);
}

static inline void check_refuses(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_count, NULL);
  ob_health health = OB_HEALTH_INIT;
  ob_ticket *ticket;
  CHECK_FAILS(ob_post(engine, ran, NULL), OB_EBROKEN, "closed the descriptors");
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_EBROKEN);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_EBROKEN);
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_EBROKEN);
  opts.deadline_ns = S;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_EBROKEN);
  CHECK_EQ(ob_engine_health(engine, &health), OB_OK);
  CHECK_EQ(health.state, OB_HEALTH_BROKEN);
}

/* It does not turn in circles, and ends. */
static inline void check_ends(ob_engine *engine, int threads, kind of) {
  uint64_t before = cpu_ns();
  check_refuses(engine);
  test_sleep_ms(200);
  CHECK(cpu_ns() - before < 150 * MS || TOOL_HEAP);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, 20 * S), OB_OK);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  while (count_threads() > threads) test_sleep_ms(1);
  check_strangers(of);
}

/* What is tried with each kind of file under the numbers: in a child, since
 * only one host can lose all its descriptors. */
typedef void (*scene)(kind of);
static inline void with_kinds(scene play, kind end) {
  for (kind of = NOTHING; of < end; of++) {
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
      play(of);
      exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (status != 0)
      test_fail(__FILE__, __LINE__, "with strangers of kind %d: status %x",
                (int)of, (unsigned)status);
  }
}

static inline void with_each(scene play) {
  with_kinds(play, KINDS);
}

/* A loop that is awake may look into a stranger's epoll set once, if that has
 * its very number: the high number is what keeps it away. */
static inline void with_some(scene play) {
  with_kinds(play, EPOLLS);
}

#endif
