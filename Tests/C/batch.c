/* Bounded batches: a queue that never empties starves neither timers nor I/O.
 *
 * The flood is a number of posts that post themselves again, so that there is
 * always something queued, and producers that add what fits. Beside it run a
 * uv timer and two ends of a socket pair that answer each other. What is bound
 * is not time but the number of posts between two turns of the uv loop: the
 * batch limit, and what one more batch may add. OB_BREAK_BATCH never turns. */
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "outboard_uv.h"

typedef struct flood {
  ob_engine *engine;
  uint32_t batch_limit;
  unsigned slow_ms; /* how long a post takes; any thread, atomic */
  int over;         /* atomic: post yourself no more */
  /* Loop. */
  uint64_t since_turn, since_io, most_since_io;
  uv_check_t turn;
  uv_timer_t timer;
  uv_poll_t ends[2];
  int sockets[2];
  unsigned char next; /* byte under way */
  int fired, echoed;  /* read anywhere, atomic */
} flood;

static flood the;

/* --- The flood ------------------------------------------------------------ */

static void count_post(void) {
  unsigned slow = __atomic_load_n(&the.slow_ms, __ATOMIC_RELAXED);
  CHECK(ob_engine_current() == the.engine);
  CHECK(++the.since_turn <= 2 * the.batch_limit);
  if (++the.since_io > the.most_since_io) the.most_since_io = the.since_io;
  if (slow > 0) test_sleep_ms(slow);
}

static void post_again(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  count_post();
  if (!__atomic_load_n(&the.over, __ATOMIC_RELAXED))
    CHECK_EQ(ob_try_post(the.engine, post_again, arg), OB_OK);
}

static void post_once(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  count_post();
  __atomic_sub_fetch((int *)arg, 1, __ATOMIC_RELEASE);
}

/* Keeps a thousand posts queued, and leaves room for those above. */
static void *produce(void *arg) {
  int queued = 0;
  (void)arg;
  while (!__atomic_load_n(&the.over, __ATOMIC_RELAXED)) {
    if (__atomic_load_n(&queued, __ATOMIC_ACQUIRE) >= 1000) {
      sched_yield();
      continue;
    }
    __atomic_add_fetch(&queued, 1, __ATOMIC_RELAXED);
    CHECK_EQ(ob_post(the.engine, post_once, &queued), OB_OK);
  }
  while (__atomic_load_n(&queued, __ATOMIC_ACQUIRE) > 0) sched_yield();
  return NULL;
}

/* --- Timer and I/O -------------------------------------------------------- */

static void on_turn(uv_check_t *handle) {
  (void)handle;
  the.since_turn = 0;
}

static void on_timer(uv_timer_t *handle) {
  (void)handle;
  __atomic_add_fetch(&the.fired, 1, __ATOMIC_RELEASE);
}

/* Each byte is one more than the last, there and back. */
static void on_readable(uv_poll_t *handle, int status, int events) {
  int end = handle == &the.ends[1];
  unsigned char got;
  CHECK_EQ(status, 0);
  CHECK(events & UV_READABLE);
  CHECK_EQ(read(the.sockets[end], &got, 1), 1);
  CHECK_EQ(got, the.next);
  the.next++;
  CHECK_EQ(write(the.sockets[end], &the.next, 1), 1);
  the.since_io = 0;
  __atomic_add_fetch(&the.echoed, 1, __ATOMIC_RELEASE);
}

static void set_up(ob_request *request, void *input, size_t size, void *user) {
  uv_loop_t *loop = ob_uv_loop(the.engine);
  uint64_t i, posts = *(uint64_t *)input;
  (void)user;
  CHECK(loop != NULL && size == sizeof posts);
  CHECK_EQ(uv_check_init(loop, &the.turn), 0);
  CHECK_EQ(uv_check_start(&the.turn, on_turn), 0);
  CHECK_EQ(uv_timer_init(loop, &the.timer), 0);
  CHECK_EQ(uv_timer_start(&the.timer, on_timer, 1, 1), 0);
  for (i = 0; i < 2; i++) {
    CHECK_EQ(uv_poll_init(loop, &the.ends[i], the.sockets[i]), 0);
    CHECK_EQ(uv_poll_start(&the.ends[i], UV_READABLE, on_readable), 0);
  }
  CHECK_EQ(write(the.sockets[0], &the.next, 1), 1);
  for (i = 0; i < posts; i++)
    CHECK_EQ(ob_try_post(the.engine, post_again, NULL), OB_OK);
  ob_complete(request, OB_OK, ob_result_none());
}

/* --- Runs ----------------------------------------------------------------- */

static uint32_t batch_limit;

static void limit_batches(ob_engine_opts *opts) {
  opts->batch_limit = batch_limit;
}

static void await_above(const int *count, int want) {
  while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < want) test_sleep_ms(1);
}

static void begin(uint32_t limit, uint64_t posts) {
  ob_call_opts opts = test_call(set_up, NULL);
  batch_limit = limit;
  the = (flood){.engine = test_engine(limit_batches), .batch_limit = limit};
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, the.sockets) == 0);
  opts.input = &posts;
  opts.input_size = sizeof posts;
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_call(the.engine, &opts, NULL), OB_OK);
}

static void end(void) {
  __atomic_store_n(&the.over, 1, __ATOMIC_RELAXED);
  test_stop(the.engine);
  close(the.sockets[0]);
  close(the.sockets[1]);
}

/* Both go on, and at no time has more been run than the limit allows. */
static void run(uint32_t limit, uint64_t posts, int producers) {
  pthread_t threads[4];
  int i;
  begin(limit, posts);
  for (i = 0; i < producers; i++) threads[i] = test_thread(produce, NULL);
  await_above(&the.fired, 20);
  await_above(&the.echoed, 500);
  __atomic_store_n(&the.over, 1, __ATOMIC_RELAXED);
  for (i = 0; i < producers; i++) test_join(threads[i]);
  end();
}

TEST(full_batches) {
  run(256, 1000, 0);
}
TEST(full_batches_of_one) {
  run(1, 10, 0);
}
TEST(full_batches_from_four_producers) {
  run(64, 100, 4);
}

/* Batches that are not full add up to the limit, too. */
TEST(batches_of_one_post) {
  run(256, 1, 0);
}
TEST(batches_of_a_hundred) {
  run(256, 100, 0);
}
TEST(batches_just_not_full) {
  run(256, 255, 0);
}
TEST(batches_of_a_hundred_and_two_producers) {
  run(1000, 100, 2);
}

/* Posts of 1 ms, after fast ones: the loop was used to looking rarely. Soon it
 * looks after every batch of two; meanwhile the limit holds. */
TEST(slow_posts) {
  int before;
  begin(8, 2);
  await_above(&the.echoed, 1000);
  __atomic_store_n(&the.slow_ms, 1, __ATOMIC_RELAXED);
  before = __atomic_load_n(&the.echoed, __ATOMIC_ACQUIRE);
  await_above(&the.echoed, before + 20);
  end();
  CHECK(the.most_since_io <= 2 * 8);
}
