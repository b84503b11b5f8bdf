/* Small tools that several topics share: counters, bounded waits, and what the
 * process holds (threads, descriptors). */
#ifndef PROBE_H
#define PROBE_H

#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

#define MS UINT64_C(1000000)
#define S (1000 * MS)

static inline int get(const int *counter) {
  return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static inline void set(int *flag, int value) {
  __atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

static inline void add(int *counter) {
  __atomic_add_fetch(counter, 1, __ATOMIC_ACQ_REL);
}

/* As test_await, but after 20 s it says what it waited for. */
static inline void await_count(const int *counter, int count,
                               const char *what) {
  uint64_t end = test_now() + 20 * S;
  while (get(counter) < count) {
    if (test_now() > end)
      test_fail(__FILE__, __LINE__, "%s: %d of %d", what, get(counter), count);
    test_sleep_ms(1);
  }
}

/* ThreadSanitizer has a thread of its own, from the first pthread_create on,
 * and cannot start any in the child of a process with threads ("dup thread with
 * used id"). AddressSanitizer's allocator may be locked for good in a child
 * that was forked while another thread allocated. What needs either is left out
 * there. */
#if defined(__SANITIZE_THREAD__)
#define TOOL_THREADS 1
#else
#define TOOL_THREADS 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define TOOL_HEAP 1
#elif defined(__has_feature)
#define TOOL_HEAP __has_feature(address_sanitizer)
#else
#define TOOL_HEAP 0
#endif
#define LEAVE_OUT_IF(tool)                    \
  do {                                        \
    if (tool) {                               \
      printf("  left out under this tool\n"); \
      return;                                 \
    }                                         \
  } while (0)

/* Needs no descriptor: there may be none. */
static inline int count_threads(void) {
  struct stat stat_of;
  CHECK(stat("/proc/self/task", &stat_of) == 0);
  return (int)stat_of.st_nlink - 2;
}

/* A raw system call, which no sanitizer takes for a use of the descriptor. */
static inline int count_files(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++)
    count += syscall(SYS_fcntl, fd, F_GETFD) >= 0;
  return count;
}

/* A process at rest. libuv keeps descriptors of its own from the first loop on,
 * so one with a loop comes and goes first. */
typedef struct rest {
  int threads, files;
} rest;

/* Waits for it: detached threads need a moment to be gone. */
static inline void check_at_rest(const rest *before) {
  uint64_t end = test_now() + 20 * S;
  while (count_threads() > before->threads || count_files() > before->files) {
    if (test_now() > end)
      test_fail(__FILE__, __LINE__, "%d threads, not %d; %d files, not %d",
                count_threads(), before->threads, count_files(), before->files);
    test_sleep_ms(1);
  }
}

static inline rest measure_rest(void) {
  rest now = {count_threads() + TOOL_THREADS, 0};
  ob_engine *engine = test_engine(NULL);
  test_lend(engine);
  test_stop(engine);
  now.files = count_files();
  check_at_rest(&now);
  return now;
}

/* Begins the test anew in a process whose freed memory does not stay in caches
 * of threads, where it counts as in use. */
static inline void exact_heap(const char *test) {
  static const char name[] = "GLIBC_TUNABLES";
  if (TOOL_THREADS || TOOL_HEAP || getenv(name) != NULL) return;
  setenv(name, "glibc.malloc.tcache_count=0", 1);
  execl("/proc/self/exe", "/proc/self/exe", "--run", test, (char *)NULL);
  test_fail(__FILE__, __LINE__, "exec");
}

/* Records of threads, and lanes, are recycled: there are as many as were ever
 * in use at once, so a busy machine has a few more. A leak is of thousands. */
#define POOLS 16384

/* 0 under a tool with an allocator of its own. */
static inline size_t bytes_in_use(void) {
  return TOOL_THREADS || TOOL_HEAP ? 0 : mallinfo2().uordblks;
}

/* Handlers beside those of harness.h. */
static inline void handle_count(ob_request *request, void *input, size_t size,
                                void *user) {
  (void)input;
  (void)size;
  if (user != NULL) add(user);
  ob_complete(request, OB_OK, ob_result_none());
}

/* Returns when everything that this thread has queued before has been run. */
static inline void flush(ob_engine *engine) {
  ob_call_opts opts = test_call(handle_count, NULL);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
}

/* Submits a call that its handler leaves unanswered. */
static inline ob_request *keep(ob_engine *engine, const char *name,
                               ob_ticket **ticket) {
  ob_request *kept = NULL, *seen;
  ob_call_opts opts = test_call(handle_keep, &kept);
  opts.name = name;
  CHECK_EQ(ob_submit(ticket, engine, &opts), OB_OK);
  while ((seen = __atomic_load_n(&kept, __ATOMIC_ACQUIRE)) == NULL)
    sched_yield();
  return seen;
}

/* ob_destroy that counts in *user. */
static inline void count_destroy(void *data, size_t size, void *user) {
  (void)data;
  (void)size;
  add(user);
}

static inline ob_result counted_result(int *destroyed) {
  return ob_result_own(destroyed, sizeof *destroyed, count_destroy, destroyed);
}

#endif
