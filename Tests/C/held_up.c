/* A thread that loses its CPU in the middle of a submission, at any
 * instruction: a signal handler that sleeps stands for it.
 *
 * Meanwhile the engine stops. Wherever the producer was: what had been accepted
 * runs or is given up, once; what is refused is not run, and not given up. */
#include <sched.h>
#include <signal.h>

#include "harness.h"
#include "internal.h"

static void hold_up(int number) {
  CHECK_EQ(number, SIGUSR1);
  test_sleep_ms(1);
}

#define MOST 20000
static unsigned char runs[MOST];
static uint64_t ended; /* loop, atomic */

/* Takes long enough that the producer keeps up with the loop. */
static void note_end(void *arg, int status) {
  int i;
  CHECK(status == OB_OK || status == OB_ESHUTDOWN);
  runs[(uintptr_t)arg]++;
  for (i = 0; status == OB_OK && i < 2000; i++) __asm__ volatile("");
  __atomic_store_n(&ended, ended + 1, __ATOMIC_RELEASE);
}

static void handle(ob_request *request, void *input, size_t size, void *user) {
  CHECK(size == 0 && input == user);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

static void note_destroy(void *data, size_t size, void *user) {
  CHECK(size == 0 && data == user);
  note_end(data, OB_OK);
}

static int submit(ob_engine *engine, uint64_t number) {
  ob_call_opts opts = test_call(handle, (void *)(uintptr_t)number);
  opts.input = opts.user;
  opts.destroy = note_destroy;
  return ob_submit(NULL, engine, &opts);
}

static void handle_alone(ob_request *request, void *input, size_t size,
                         void *user) {
  CHECK_EQ(*(const uint64_t *)input, (uint64_t)(uintptr_t)user);
  CHECK_EQ(size, sizeof(uint64_t));
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}
static void done_alone(int status, ob_result *result, void *user) {
  CHECK(ob_result_data(result) == NULL);
  note_end(user, status);
}

/* Travels in the lane. */
static int submit_alone(ob_engine *engine, uint64_t number) {
  ob_call_opts opts = test_call(handle_alone, (void *)(uintptr_t)number);
  opts.flags = OB_CALL_SYNC;
  opts.input = &number;
  opts.input_size = sizeof number;
  opts.on_done = done_alone;
  opts.done_user = opts.user;
  return ob_submit(NULL, engine, &opts);
}

typedef struct producer {
  ob_engine *engine;
  int (*submit)(ob_engine *, uint64_t); /* every other one, or NULL */
  uint64_t accepted;
} producer;

/* Until it is refused, never far ahead of the loop. */
static void *produce(void *arg) {
  producer *self = arg;
  uint64_t i = 0;
  int rc = OB_OK;
  while (i < MOST && rc == OB_OK) {
    if (i - __atomic_load_n(&ended, __ATOMIC_ACQUIRE) > 20) continue;
    rc = self->submit != NULL && i % 2
             ? self->submit(self->engine, i)
             : ob_post(self->engine, note_end, (void *)(uintptr_t)i);
    if (rc == OB_OK) i++;
  }
  CHECK(rc == OB_OK || rc == OB_ESHUTDOWN);
  self->accepted = i;
  return NULL;
}

static void small_batches(ob_engine_opts *opts) {
  opts->batch_limit = 2;
}

static void stop_while_held_up(uint64_t delay_ns, int mode,
                               int (*submit_one)(ob_engine *, uint64_t)) {
  producer self = {test_engine(small_batches), submit_one, 0};
  uint64_t until, i;
  pthread_t thread;
  memset(runs, 0, sizeof runs);
  ended = 0;
  thread = test_thread(produce, &self);
  while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) == 0) sched_yield();
  until = test_now() + delay_ns;
  while (test_now() < until) continue;
  CHECK(pthread_kill(thread, SIGUSR1) == 0);
  CHECK_EQ(ob_engine_stop(self.engine, mode, OB_FOREVER), OB_OK);
  test_join(thread);
  for (i = 0; i < MOST; i++) CHECK_EQ(runs[i], i < self.accepted);
  CHECK_EQ(ob_engine_destroy(self.engine), OB_OK);
}

static void stop_often(int (*submit_one)(ob_engine *, uint64_t)) {
  uint64_t seed = test_seed(), rounds = test_ops(500), i;
  CHECK(signal(SIGUSR1, hold_up) != SIG_ERR);
  for (i = 0; i < rounds; i++)
    stop_while_held_up(test_random(&seed) % 200000, (int)(i % 2), submit_one);
}

TEST(stop_while_a_post_is_held_up) {
  stop_often(NULL);
}
TEST(stop_while_a_submission_is_held_up) {
  stop_often(submit);
}
TEST(stop_while_a_lone_submission_is_held_up) {
  stop_often(submit_alone);
}

/* --- Callers on their way out ----------------------------------------------
 */

typedef struct caller {
  ob_engine *engine;
  uint64_t deadline_ns; /* OB_FOREVER: the request is on the caller's stack */
  int begun, released;
} caller;

/* Holds the loop until the engine has been disposed of, or nearly. */
static void handle_held(ob_request *request, void *input, size_t size,
                        void *user) {
  caller *self = user;
  CHECK(size == 0 && input == NULL);
  __atomic_store_n(&self->begun, 1, __ATOMIC_RELEASE);
  while (!__atomic_load_n(&self->released, __ATOMIC_ACQUIRE)) sched_yield();
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

static void *call_once(void *arg) {
  caller *self = arg;
  ob_call_opts opts = test_call(handle_held, self);
  opts.flags = OB_CALL_SYNC;
  opts.deadline_ns = self->deadline_ns;
  CHECK_EQ(ob_call(self->engine, &opts, NULL), OB_OK);
  return NULL;
}

/* The engine frees itself as soon as the handler has returned; the caller, held
 * up anywhere between its push and its return, must not touch it then. */
static void dispose_while_held_up(uint64_t deadline_ns, uint64_t delay_ns) {
  caller self = {test_engine(NULL), deadline_ns, 0, 0};
  pthread_t thread = test_thread(call_once, &self);
  uint64_t until;
  test_await(&self.begun);
  ob_engine_dispose(self.engine);
  until = test_now() + delay_ns;
  __atomic_store_n(&self.released, 1, __ATOMIC_RELEASE);
  while (test_now() < until) continue;
  CHECK(pthread_kill(thread, SIGUSR1) == 0);
  test_join(thread);
}

TEST(dispose_while_a_caller_is_held_up) {
  uint64_t seed = test_seed(), rounds = test_ops(400), i;
  CHECK(signal(SIGUSR1, hold_up) != SIG_ERR);
  for (i = 0; i < rounds; i++)
    dispose_while_held_up(i % 2 ? OB_FOREVER : UINT64_C(20000000000),
                          test_random(&seed) % 100000);
}

/* --- Callers in the box ----------------------------------------------------
 */

static uint64_t boxed; /* loop */

static void handle_boxed(ob_request *request, void *input, size_t size,
                         void *user) {
  uint64_t number = (uint64_t)(uintptr_t)user;
  CHECK(size == 0 && input == NULL);
  runs[number % MOST]++;
  boxed += request == &ob_request_engine(request)->box_request;
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

/* Until it is refused. */
static void *call_boxed(void *arg) {
  producer *self = arg;
  int rc = OB_OK;
  while (rc == OB_OK) {
    ob_call_opts opts =
        test_call(handle_boxed, (void *)(uintptr_t)self->accepted);
    opts.flags = OB_CALL_SYNC;
    rc = ob_call(self->engine, &opts, NULL);
    if (rc == OB_OK) CHECK_EQ(runs[self->accepted++ % MOST], 1);
    runs[self->accepted % MOST] = 0;
    __atomic_store_n(&ended, self->accepted, __ATOMIC_RELEASE);
  }
  CHECK_EQ(rc, OB_ESHUTDOWN);
  return NULL;
}

/* Meanwhile the loop closes the box, for it sleeps or ends. */
TEST(stop_while_a_boxed_caller_is_held_up) {
  uint64_t seed = test_seed(), rounds = test_ops(500), i, until;
  CHECK(signal(SIGUSR1, hold_up) != SIG_ERR);
  for (i = 0; i < rounds; i++) {
    producer self = {test_engine(NULL), NULL, 0};
    pthread_t thread;
    int k;
    ended = 0;
    runs[0] = 0;
    thread = test_thread(call_boxed, &self);
    while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) < 40) sched_yield();
    for (k = 0; k < 3; k++) {
      until = test_now() + test_random(&seed) % 100000;
      while (test_now() < until) continue;
      CHECK(pthread_kill(thread, SIGUSR1) == 0);
    }
    if (i % 4 > 1) test_sleep_ms(2); /* it goes on */
    CHECK_EQ(ob_engine_stop(self.engine, (int)(i % 2), OB_FOREVER), OB_OK);
    test_join(thread);
    CHECK_EQ(ob_engine_destroy(self.engine), OB_OK);
  }
  CHECK(boxed > 0);
}
