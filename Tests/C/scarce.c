/* Limits of the process: no more threads (RLIMIT_NPROC, as a user without
 * privileges) and no more memory (RLIMIT_AS). Each operation then says so, what
 * was accepted is answered, nobody waits for a thread that never comes, and all
 * works again when the limit is gone. alloc.c fails single allocations. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <sys/resource.h>

#include "child.h"
#include "load.h"
#include "outboard_spi.h"
#include "stream_kit.h"

#define NOBODY 65534

/* --- Threads ---------------------------------------------------------------
 */

static void limit_threads(rlim_t most) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NPROC, &limit) == 0);
  limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
  CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

static void *nothing(void *arg) {
  return arg;
}

/* 0 when this process is held to the limit; root is exempt from it. */
static int become_limited(void) {
  pthread_t thread;
  int rc;
  if (getuid() == 0) CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
  limit_threads(0);
  rc = pthread_create(&thread, NULL, nothing, NULL);
  if (rc == 0) pthread_join(thread, NULL);
  limit_threads(RLIM_INFINITY);
  return rc == EAGAIN ? 0 : -1;
}

static void start_without_threads(void *arg) {
  ob_engine *engine;
  rest before;
  (void)arg;
  CHECK(become_limited() == 0);
  before = measure_rest();
  limit_threads(0);
  for (int i = 0; i < 20; i++) {
    CHECK_FAILS(ob_engine_start(&engine, NULL), OB_ESYSTEM, strerror(EAGAIN));
    CHECK(engine == NULL);
  }
  check_at_rest(&before);
  limit_threads(RLIM_INFINITY);
  test_stop(test_engine(NULL));
  check_at_rest(&before);
}

TEST(a_start_without_a_thread) {
  LEAVE_OUT_IF(TOOL_THREADS);
  in_child(start_without_threads, NULL);
}

static int offload(ob_engine *engine, ob_handler handler) {
  int input = 4711, rc;
  ob_call_opts opts = test_call(handler, engine);
  ob_result result;
  opts.input = &input;
  opts.input_size = sizeof input;
  opts.flags = OB_CALL_OFFLOAD;
  rc = ob_call(engine, &opts, &result);
  if (rc == OB_OK) check_sum(&result, input + 1);
  return rc;
}

static void no_first_thread(void *arg) {
  ob_engine *engine;
  ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  (void)arg;
  CHECK(become_limited() == 0);
  engine = test_engine(NULL);
  limit_threads(0);
  for (int i = 0; i < 20; i++) {
    CHECK_EQ(offload(engine, handle_add), OB_ESYSTEM);
    call_with(engine, i % 2 ? OB_CALL_SYNC : 0, i % 3 ? OB_FOREVER : 60 * S);
  }
  inspect.stall_ns = 100 * MS;
  CHECK_FAILS(ob_inspect(engine, &inspect), OB_ESYSTEM, strerror(EAGAIN));
  limit_threads(RLIM_INFINITY);
  CHECK_EQ(offload(engine, handle_add), OB_OK);
  CHECK_EQ(ob_inspect(engine, &inspect), OB_OK);
  test_stop(engine);
}

TEST(a_pool_without_a_thread) {
  LEAVE_OUT_IF(TOOL_THREADS);
  in_child(no_first_thread, NULL);
}

/* --- A pool that cannot grow --- */

typedef struct crowd {
  ob_engine *engine;
  int go, done;
} crowd;

static void *offload_often(void *arg) {
  crowd *c = arg;
  test_await(&c->go);
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(offload(c->engine, handle_add), OB_OK);
    add(&c->done);
  }
  return NULL;
}

static void one_thread_for_all(void *arg) {
  crowd c = {0};
  pthread_t threads[8];
  ob_stats stats = OB_STATS_INIT;
  (void)arg;
  CHECK(become_limited() == 0);
  c.engine = test_engine(NULL);
  for (int i = 0; i < 8; i++) threads[i] = test_thread(offload_often, &c);
  CHECK_EQ(offload(c.engine, handle_add), OB_OK);
  limit_threads(0);
  set(&c.go, 1);
  for (int i = 0; i < 8; i++) test_join(threads[i]);
  CHECK_EQ(get(&c.done), 800);
  CHECK_EQ(ob_engine_stats(c.engine, &stats), OB_OK);
  CHECK_EQ(stats.offload_threads, 1);
  test_stop(c.engine);
}

TEST(one_thread_serves_all) {
  LEAVE_OUT_IF(TOOL_THREADS);
  in_child(one_thread_for_all, NULL);
}

/* A job that waits for another job. */
static void handle_nested(ob_request *request, void *input, size_t size,
                          void *user) {
  int rc = offload(user, handle_add);
  if (rc == OB_OK)
    handle_add(request, input, size, NULL);
  else
    ob_complete(request, rc, ob_result_none());
}

static void nest_without_threads(void *arg) {
  ob_engine *engine;
  (void)arg;
  CHECK(become_limited() == 0);
  engine = test_engine(NULL);
  CHECK_EQ(offload(engine, handle_add), OB_OK);
  limit_threads(0);
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(offload(engine, handle_nested), OB_ESYSTEM);
    CHECK_EQ(offload(engine, handle_add), OB_OK);
  }
  limit_threads(RLIM_INFINITY);
  CHECK_EQ(offload(engine, handle_nested), OB_OK);
  test_stop(engine);
}

TEST(a_job_that_waits_for_a_job_is_told) {
  LEAVE_OUT_IF(TOOL_THREADS);
  in_child(nest_without_threads, NULL);
}

/* --- Memory ----------------------------------------------------------------
 */

typedef struct hungry {
  ob_engine *engine;
  int quit, running;
  int accepted, refused; /* atomic */
  int ran;               /* atomic: must become as many as were accepted */
} hungry;

static int note(hungry *h, int rc) { /* 1 when it was accepted */
  if (rc != OB_OK) CHECK(rc == OB_ENOMEM || rc == OB_ESYSTEM);
  add(rc == OB_OK ? &h->accepted : &h->refused);
  return rc == OB_OK;
}

static void hungry_post(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  add(&((hungry *)arg)->ran);
}

static void hungry_done(int status, ob_result *result, void *user) {
  hungry *h = user;
  CHECK(status == OB_OK || status == OB_ENOMEM || status == OB_ESYSTEM);
  ob_result_free(result);
  add(&h->ran);
}

/* An answer that needs memory of its own. */
static void handle_large(ob_request *request, void *input, size_t size,
                         void *user) {
  static const char bytes[4096];
  (void)input;
  (void)size;
  (void)user;
  ob_complete(request, OB_OK, ob_result_copy(bytes, sizeof bytes));
}

static void submit_hungry(hungry *h, uint32_t flags) {
  char input[200] = "";
  ob_call_opts opts = test_call(handle_large, NULL);
  opts.input = input;
  opts.input_size = sizeof input;
  opts.on_done = hungry_done;
  opts.done_user = h;
  opts.flags = flags;
  note(h, ob_submit(NULL, h->engine, &opts));
}

static void stream_hungry(hungry *h) {
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  counter count = {0, 10, 0, 0, 0};
  ob_stream *stream;
  ob_result item;
  int status, rc;
  opts.start = opts.on_room = count_up;
  opts.user = &count;
  rc = ob_stream_open(&stream, NULL, h->engine, &opts);
  if (!note(h, rc)) return;
  for (int i = 0; i < 10; i++) {
    CHECK_EQ(ob_stream_next(stream, OB_FOREVER, &item, &status), OB_OK);
    ob_result_free(&item);
  }
  CHECK_EQ(ob_stream_next(stream, OB_FOREVER, &item, &status), OB_EEND);
  ob_stream_release(stream);
  add(&h->ran);
}

static void *be_hungry(void *arg) {
  hungry *h = arg;
  call_with(h->engine, OB_CALL_SYNC, OB_FOREVER); /* has its record */
  add(&h->running);
  for (unsigned i = 0; !get(&h->quit); i++) {
    int rc;
    call_with(h->engine, OB_CALL_SYNC, OB_FOREVER); /* needs none */
    submit_hungry(h, i % 2 ? OB_CALL_OFFLOAD : 0);
    for (int k = 0; k < 300; k++) /* more than a lane's block holds */
      note(h, ob_post(h->engine, hungry_post, h));
    rc = offload(h->engine, handle_add);
    CHECK(rc == OB_OK || rc == OB_ENOMEM || rc == OB_ESYSTEM);
    stream_hungry(h);
  }
  return NULL;
}

/* Everything that malloc still has, in ever smaller pieces. */
static void *take_all(void **all) {
  for (size_t size = 1 << 20; size >= 16; size /= 2) {
    void **piece;
    while ((piece = malloc(size)) != NULL) {
      *piece = all;
      all = piece;
    }
  }
  return all;
}

static void give_all(void *all) {
  while (all != NULL) {
    void *next = *(void **)all;
    free(all);
    all = next;
  }
}

static size_t address_space(void) {
  unsigned long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file != NULL && fscanf(file, "%lu", &pages) == 1);
  fclose(file);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit_memory(rlim_t most) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
  limit.rlim_cur = most;
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void go_hungry(void *arg) {
  hungry h = {0};
  pthread_t threads[4];
  (void)arg;
  mallopt(M_ARENA_MAX, 1); /* no thread has any set aside */
  h.engine = test_engine(NULL);
  for (int i = 0; i < 4; i++) threads[i] = test_thread(be_hungry, &h);
  await_count(&h.running, 4, "threads");
  for (int i = 0; i < 30; i++) {
    int before = get(&h.refused);
    uint64_t end = test_now() + 20 * S;
    void *all;
    limit_memory(address_space() + (1 << 20));
    all = take_all(NULL);
    while (get(&h.refused) == before && test_now() < end) {
      sched_yield();
      all = take_all(all); /* what calls under way have given back */
    }
    CHECK(get(&h.refused) > before);
    limit_memory(RLIM_INFINITY);
    give_all(all);
    test_stop(test_engine(NULL));
  }
  set(&h.quit, 1);
  for (int i = 0; i < 4; i++) test_join(threads[i]);
  check_nothing_lost(h.engine);
  await_count(&h.ran, get(&h.accepted), "what was accepted");
  printf("  %d accepted, %d refused\n", get(&h.accepted), get(&h.refused));
  CHECK_EQ(get(&h.ran), get(&h.accepted));
  test_stop(h.engine);
}

TEST(no_memory_loses_nothing) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  in_child(go_hungry, NULL);
}

/* This thread's lane may be refused, and then nothing more. */
static int call_in_little(ob_engine *engine) {
  int input = 41, rc;
  ob_call_opts opts = test_call(handle_increment, NULL);
  ob_result result;
  opts.flags = OB_CALL_SYNC;
  opts.input = &input;
  opts.input_size = sizeof input;
  rc = ob_call(engine, &opts, &result);
  if (rc == OB_OK)
    CHECK_EQ(*(const int *)ob_result_data(&result), 42);
  else
    CHECK_EQ(rc, OB_ENOMEM);
  return rc;
}

static int ask_in_little(ob_engine *engine) {
  char text[256];
  if (test_ask(engine, text, sizeof text)) return OB_OK;
  /* There may be no memory for the text. */
  if (text[0] != 0) CHECK(strstr(text, "memory") != NULL);
  return OB_ENOMEM;
}

/* With so many bytes left and no more; the stack of the last engine's thread is
 * kept by the C library, so that is not what is missing. */
static int start_with(size_t left) {
  void *volatile reserve = malloc(left); /* volatile: it is not unused */
  void *all;
  ob_engine *engine;
  int rc;
  CHECK(reserve != NULL);
  limit_memory(address_space() + (1 << 20));
  all = take_all(NULL);
  free(reserve);
  rc = ob_engine_start(&engine, NULL);
  if (rc == OB_OK) {
    rc = call_in_little(engine);
    if (rc == OB_OK) {
      rc = ask_in_little(engine);
      CHECK_EQ(call_in_little(engine), OB_OK);
    }
    test_stop(engine);
  } else {
    CHECK(rc == OB_ENOMEM || rc == OB_ESYSTEM);
    CHECK(engine == NULL);
  }
  limit_memory(RLIM_INFINITY);
  give_all(all);
  return rc;
}

static void start_in_little(void *arg) {
  int failed = 0, started = 0;
  (void)arg;
  mallopt(M_ARENA_MAX, 1);
  test_stop(test_engine(NULL));
  for (size_t left = 1100; left < 200000; left += left / 64)
    if (start_with(left) == OB_OK)
      started++;
    else
      failed++;
  printf("  %d started, %d failed\n", started, failed);
  CHECK(failed > 0 && started > 0);
}

TEST(starts_with_little_memory) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  in_child(start_in_little, NULL);
}
