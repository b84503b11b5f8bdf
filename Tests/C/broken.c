/* The host closes the engine's descriptors while the loop sleeps, works, stops
 * or is forgotten, and uses their numbers for files of its own. Nothing happens
 * to those, the engine is refused with OB_EBROKEN, does not turn in circles,
 * and ends in bounded time with all that it had. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <uv.h>

#include "broken.h"
#include "outboard_uv.h"

/* --- Asleep --- */

static void play_asleep(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  await_sleep(engine);
  take_over(of);
  CHECK_EQ(ob_post(engine, ran, NULL), OB_EBROKEN);
  check_ends(engine, threads, of);
}
TEST(asleep) {
  ASLEEP;
  with_each(play_asleep);
}

/* The stop is the first to notice. */
static void play_stop(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  await_sleep(engine);
  take_over(of);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 20 * S), OB_OK);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  while (count_threads() > threads) test_sleep_ms(1); /* joined, but listed */
  check_strangers(of);
}
TEST(stop_finds_it_so) {
  ASLEEP;
  with_each(play_stop);
}

static void play_dispose(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  await_sleep(engine);
  take_over(of);
  ob_engine_dispose(engine);
  while (count_threads() > threads) test_sleep_ms(1);
  check_strangers(of);
}
TEST(dispose_finds_it_so) {
  ASLEEP;
  with_each(play_dispose);
}

/* Nobody does, and the process ends. */
static void play_exit(kind of) {
  ob_engine *engine = uv_engine(NULL);
  await_sleep(engine);
  take_over(of);
}
TEST(exit_finds_it_so) {
  ASLEEP;
  with_each(play_exit);
}

/* Nor is one to be had for what comes after. */
static void play_none_free(kind of) {
  struct rlimit none = {0, 0};
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  await_sleep(engine);
  take_over(of);
  CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
  CHECK_EQ(ob_post(engine, ran, NULL), OB_EBROKEN);
  check_ends(engine, threads, of);
}
TEST(and_none_is_free) {
  ASLEEP;
  LEAVE_OUT_IF(TOOL_HEAP); /* the loop's memory stays: see ob__loop_close */
  with_each(play_none_free);
}

/* --- Awake --- */

static int awake;
static void stay_awake(void *engine, int status) {
  if (status == OB_OK && get(&awake)) ob_post(engine, stay_awake, engine);
}

static void play_awake(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  ob_health health = OB_HEALTH_INIT;
  set(&awake, 1);
  CHECK_EQ(ob_post(engine, stay_awake, engine), OB_OK);
  test_sleep_ms(5);
  take_over(of);
  test_sleep_ms(5);
  set(&awake, 0);
  /* The loop's own look, or the next who wakes it. */
  do {
    ob_post(engine, ran, NULL);
    CHECK_EQ(ob_engine_health(engine, &health), OB_OK);
  } while (health.state != OB_HEALTH_BROKEN);
  check_ends(engine, threads, of);
}
TEST(awake_and_looking) {
  AWAKE;
  with_some(play_awake);
}

static kind taken;
static void handle_take_over(ob_request *request, void *input, size_t size,
                             void *user) {
  (void)input;
  (void)size;
  (void)user;
  take_over(taken);
  ob_complete(request, 77, ob_result_none());
}

/* The loop thread itself closes them, in a handler. */
static void play_handler(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  ob_call_opts opts = test_call(handle_take_over, NULL);
  taken = of;
  opts.flags = OB_CALL_SYNC;
  await_sleep(engine);
  CHECK_EQ(ob_call(engine, &opts, NULL), 77);
  while (ob_post(engine, ran, NULL) != OB_EBROKEN) test_sleep_ms(1);
  check_ends(engine, threads, of);
}
TEST(in_a_handler) {
  AWAKE;
  with_some(play_handler);
}

/* libuv finds out by itself, in the middle of what it does, and would abort. */
static uv_poll_t poll_handle;
static int poll_ends[2];
static void on_readable(uv_poll_t *handle, int status, int events) {
  (void)handle;
  (void)status;
  (void)events;
}
static void handle_poll(ob_request *request, void *input, size_t size,
                        void *user) {
  uv_loop_t *uv = ob_uv_loop(user);
  (void)input;
  (void)size;
  take_over(taken);
  CHECK(pipe2(poll_ends, O_CLOEXEC | O_NONBLOCK) == 0);
  CHECK_EQ(uv_poll_init(uv, &poll_handle, poll_ends[0]), UV_EBADF);
  ob_complete(request, 78, ob_result_none());
}
static void handle_start(ob_request *request, void *input, size_t size,
                         void *user) {
  uv_loop_t *uv = ob_uv_loop(user);
  (void)input;
  (void)size;
  CHECK(pipe2(poll_ends, O_CLOEXEC | O_NONBLOCK) == 0);
  CHECK_EQ(uv_poll_init(uv, &poll_handle, poll_ends[0]), 0);
  CHECK_EQ(uv_poll_start(&poll_handle, UV_READABLE, on_readable), 0);
  take_over(taken);
  ob_complete(request, 78, ob_result_none());
}
static void play_started(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  ob_call_opts opts =
      test_call(of == NOTHING ? handle_poll : handle_start, engine);
  taken = of;
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_call(engine, &opts, NULL), 78);
  while (ob_post(engine, ran, NULL) != OB_EBROKEN) test_sleep_ms(1);
  check_ends(engine, threads, of);
}
TEST(with_a_handle_just_started) {
  AWAKE;
  with_some(play_started);
}

/* The cancellation that reaches a sleeping loop reaches no callback. */
static int in_callback, callback_gate, callback_done;
static void on_byte(uv_poll_t *handle, int status, int events) {
  (void)status;
  (void)events;
  uv_poll_stop(handle);
  add(&in_callback);
  while (!get(&callback_gate)) usleep(1000); /* where it would be cancelled */
  add(&callback_done);
}
static void handle_byte(ob_request *request, void *input, size_t size,
                        void *user) {
  uv_loop_t *uv = ob_uv_loop(user);
  (void)input;
  (void)size;
  CHECK_EQ(uv_poll_init(uv, &poll_handle, poll_ends[0]), 0);
  CHECK_EQ(uv_poll_start(&poll_handle, UV_READABLE, on_byte), 0);
  ob_complete(request, OB_OK, ob_result_none());
}
static void play_callback(kind of) {
  int threads = count_threads();
  ob_engine *engine = uv_engine(NULL);
  ob_call_opts opts = test_call(handle_byte, engine);
  CHECK(pipe2(poll_ends, O_CLOEXEC | O_NONBLOCK) == 0);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  await_sleep(engine);
  CHECK(write(poll_ends[1], "x", 1) == 1);
  await_count(&in_callback, 1, "callbacks entered");
  take_over(of);
  CHECK_EQ(ob_post(engine, ran, NULL), OB_EBROKEN);
  test_sleep_ms(20);
  set(&callback_gate, 1);
  await_count(&callback_done, 1, "callbacks that went on");
  check_ends(engine, threads, of);
}
TEST(no_callback_is_cut_short) {
  AWAKE;
  with_some(play_callback);
}

/* --- What goes on, and what comes after --- */

/* A daemon's loop over the low numbers does not reach the engine, and what then
 * has these numbers is left alone. */
TEST(the_low_numbers_alone) {
  int fd, files[64], threads = count_threads() + TOOL_THREADS;
  ob_engine *engine = uv_engine(NULL);
  ob_cq *cq;
  CHECK_EQ(ob_cq_create(&cq), OB_OK);
  await_sleep(engine);
  for (fd = 3; fd < 256; fd++) syscall(SYS_close, fd);
  for (fd = 0; fd < 64; fd++) files[fd] = open_one(FILES);
  flush(engine);
  test_stop(engine);
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
  for (fd = 0; fd < 64; fd++)
    CHECK((int)lseek(files[fd], 0, SEEK_END) == (int)sizeof STRANGER_TEXT);
  while (count_threads() > threads) test_sleep_ms(1);
}

/* The next engine is as good as the first. */
static void play_again(kind of) {
  ob_engine *engine = uv_engine(NULL), *other;
  await_sleep(engine);
  take_over(of);
  other = uv_engine(NULL);
  flush(other);
  CHECK_EQ(ob_post(engine, ran, NULL), OB_EBROKEN);
  flush(other);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  test_stop(other);
  check_strangers(of);
}
TEST(another_engine_can_be_started) {
  ASLEEP;
  with_each(play_again);
}

static kind inherited;
static void in_fork_child(void *engine) {
  ob_call_opts opts = test_call(handle_count, NULL);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  test_stop(engine);
  check_strangers(inherited);
}

static void restart(ob_engine_opts *opts) {
  opts->fork_policy = OB_FORK_RESTART;
}

/* A child lets go of what it inherits: of the parent's only. */
static void play_fork(kind of) {
  ob_engine *engine = uv_engine(restart);
  await_sleep(engine);
  take_over(of);
  inherited = of;
  in_child(in_fork_child, engine);
}
TEST(a_fork_child_leaves_strangers_alone) {
  ASLEEP;
  LEAVE_OUT_IF(SYSTEM_UV); /* whose own fork handler does not */
  LEAVE_OUT_IF(TOOL_HEAP); /* its locks, in a child */
  with_each(play_fork);
}
