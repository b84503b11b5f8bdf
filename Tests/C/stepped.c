/* A thread that loses its CPU in the middle of a submission, before each of its
 * instructions in turn, while the loop runs dry and sleeps, or the engine
 * stops.
 *
 * held_up.c does the same by chance, on every processor and under sanitizers;
 * this finds what lies between two instructions every time. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* REG_EFL */
#endif
#include <sched.h>

#include "internal.h"
#include "stepping.h"

#define MOST_STEPS 20000 /* a call that spins may have some thousand */
#define PATIENCE 5000000 /* ns: what waits for the held thread itself */
#define PROMPT UINT64_C(10000000000)

enum { FIRST, BEHIND, STEPPED, COUNT };
static unsigned runs[COUNT];
static int ended; /* loop, atomic */

typedef struct scene {
  ob_engine *engine;
  int (*submit)(ob_engine *, uintptr_t);
  int mode;    /* of the stop; -1: the loop goes to sleep in its place */
  int blocked; /* the loop, until the thread is held */
  int ready, held, over;
  int rc; /* of what was stepped through */
} scene;

static void note_end(uintptr_t number) {
  runs[number]++;
  __atomic_store_n(&ended, ended + 1, __ATOMIC_RELEASE);
}

static void on_post(void *arg, int status) {
  CHECK(status == OB_OK || status == OB_ESHUTDOWN);
  note_end((uintptr_t)arg);
}

static int post(ob_engine *engine, uintptr_t number) {
  return ob_post(engine, on_post, (void *)number);
}

static void handle(ob_request *request, void *input, size_t size, void *user) {
  CHECK(ob_engine_current() == ob_request_engine(request));
  CHECK(size == 0 && input == user);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_copy(&user, sizeof user)),
           OB_OK);
}

static ob_call_opts call_opts(uintptr_t number) {
  ob_call_opts opts = test_call(handle, (void *)number);
  opts.input = opts.user;
  return opts;
}

static void on_destroy(void *data, size_t size, void *user) {
  CHECK(size == 0 && data == user);
  note_end((uintptr_t)data);
}

static int submit(ob_engine *engine, uintptr_t number) {
  ob_call_opts opts = call_opts(number);
  opts.destroy = on_destroy;
  return ob_submit(NULL, engine, &opts);
}

static void on_done(int status, ob_result *result, void *user) {
  CHECK(status == OB_OK || status == OB_ESHUTDOWN);
  CHECK(status != OB_OK || memcmp(ob_result_data(result), &user, 8) == 0);
  note_end((uintptr_t)user);
}

static int submit_alone(ob_engine *engine, uintptr_t number) {
  ob_call_opts opts = call_opts(number);
  opts.flags = OB_CALL_SYNC;
  opts.on_done = on_done;
  opts.done_user = opts.user;
  return ob_submit(NULL, engine, &opts);
}

/* Noted here, so that OK without an answer is seen as well. */
static int call_with(ob_engine *engine, uintptr_t number, uint64_t deadline) {
  ob_call_opts opts = call_opts(number);
  ob_result answer;
  int rc;
  opts.flags = OB_CALL_SYNC;
  opts.deadline_ns = deadline;
  rc = ob_call(engine, &opts, &answer);
  if (rc == OB_OK) {
    CHECK(memcmp(ob_result_data(&answer), &opts.user, sizeof opts.user) == 0);
    note_end(number);
  }
  ob_result_free(&answer);
  return rc;
}

static int call(ob_engine *engine, uintptr_t number) {
  return call_with(engine, number, OB_FOREVER);
}

static int call_bounded(ob_engine *engine, uintptr_t number) {
  return call_with(engine, number, PROMPT);
}

/* 1 if it came about in time. Thousands of rounds have no time to sleep. */
static int await_until(const int *word, int value, uint64_t patience) {
  uint64_t until = test_now() + patience;
  while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value) {
    if (test_now() > until) return 0;
    sched_yield();
  }
  return 1;
}

static void block_loop(void *arg, int status) {
  scene *self = arg;
  CHECK_EQ(status, OB_OK);
  __atomic_store_n(&self->ready, 1, __ATOMIC_RELEASE);
  CHECK(await_until(&self->held, 1, PROMPT));
}

/* Keeps the loop busy until the thread is held; then lets it sleep or stops it,
 * and lets the thread go on. */
static void *beside(void *arg) {
  scene *self = arg;
  uint64_t until;
  if (self->blocked)
    CHECK_EQ(ob_post(self->engine, block_loop, self), OB_OK);
  else
    __atomic_store_n(&self->ready, 1, __ATOMIC_RELEASE);
  CHECK(await_until(&self->held, 1, PROMPT));
  if (self->blocked) CHECK(await_until(&ended, STEPPED, PROMPT));
  if (self->mode >= 0) {
    CHECK_EQ(ob_engine_stop(self->engine, self->mode, OB_FOREVER), OB_OK);
  } else {
    until = test_now() + PATIENCE;
    while (ob__load_acquire(&self->engine->head) != OB__SLEEPING &&
           test_now() < until)
      sched_yield();
  }
  __atomic_store_n(&self->over, 1, __ATOMIC_RELEASE);
  return NULL;
}

static void held(void *arg) {
  scene *self = arg;
  __atomic_store_n(&self->held, 1, __ATOMIC_RELEASE);
  await_until(&self->over, 1, PATIENCE);
}

static void stepped(void *arg) {
  scene *self = arg;
  self->rc = self->submit(self->engine, STEPPED);
}

/* 0: there is no such instruction. */
static int hold_at(uint64_t number, scene self) {
  pthread_t other;
  int reached;
  memset(runs, 0, sizeof runs);
  ended = 0;
  self.engine = test_engine(NULL);
  /* The thread's lane, and what the dynamic linker binds at a first call. */
  CHECK_EQ(self.submit(self.engine, FIRST), OB_OK);
  CHECK(await_until(&ended, 1, PROMPT));
  other = test_thread(beside, &self);
  CHECK(await_until(&self.ready, 1, PROMPT));
  if (self.blocked) CHECK_EQ(self.submit(self.engine, BEHIND), OB_OK);
  reached = step_into(number, stepped, held, &self);
  __atomic_store_n(&self.held, 1, __ATOMIC_RELEASE);
  if (self.mode < 0) {
    CHECK_EQ(self.rc, OB_OK);
    CHECK(await_until(&ended, self.blocked ? COUNT : COUNT - 1, PROMPT));
  }
  test_join(other);
  if (self.mode < 0)
    CHECK_EQ(ob_engine_stop(self.engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  CHECK(self.rc == OB_OK || self.rc == OB_ESHUTDOWN);
  CHECK_EQ(runs[FIRST], 1);
  CHECK_EQ(runs[BEHIND], self.blocked);
  CHECK_EQ(runs[STEPPED], self.rc == OB_OK);
  CHECK_EQ(ob_engine_destroy(self.engine), OB_OK);
  return reached;
}

static void hold_everywhere(int (*submit_one)(ob_engine *, uintptr_t), int mode,
                            int blocked) {
  scene self = {.submit = submit_one, .mode = mode, .blocked = blocked};
  /* Calls take long: each third instruction, unless OB_LONG asks for all. */
  uint64_t stride = submit_one == post || test_long() ? 1 : 3, number = 1;
  while (number < MOST_STEPS && hold_at(number, self)) number += stride;
  printf("  mode %d, %s: held %llu times in %llu instructions\n", mode,
         blocked ? "behind" : "first", (unsigned long long)(number / stride),
         (unsigned long long)number);
  CHECK(number > 40);
}

static void while_it_stops(int (*submit_one)(ob_engine *, uintptr_t)) {
  hold_everywhere(submit_one, OB_STOP_CANCEL, 0);
  hold_everywhere(submit_one, OB_STOP_CANCEL, 1);
  hold_everywhere(submit_one, OB_STOP_DRAIN, 0);
  hold_everywhere(submit_one, OB_STOP_DRAIN, 1);
}

static void while_it_sleeps(int (*submit_one)(ob_engine *, uintptr_t)) {
  hold_everywhere(submit_one, -1, 0);
  hold_everywhere(submit_one, -1, 1);
}

TEST(a_post_while_the_engine_stops) {
  while_it_stops(post);
}
TEST(a_submission_while_the_engine_stops) {
  while_it_stops(submit);
}
TEST(a_lone_submission_while_the_engine_stops) {
  while_it_stops(submit_alone);
}
TEST(a_call_while_the_engine_stops) {
  hold_everywhere(call, OB_STOP_CANCEL, 0);
  hold_everywhere(call, OB_STOP_DRAIN, 0);
}
TEST(a_call_with_a_deadline_while_the_engine_stops) {
  hold_everywhere(call_bounded, OB_STOP_CANCEL, 0);
  hold_everywhere(call_bounded, OB_STOP_DRAIN, 0);
}

TEST(a_post_while_the_loop_goes_to_sleep) {
  while_it_sleeps(post);
}
TEST(a_submission_while_the_loop_goes_to_sleep) {
  while_it_sleeps(submit);
}
TEST(a_lone_submission_while_the_loop_goes_to_sleep) {
  while_it_sleeps(submit_alone);
}
TEST(a_call_while_the_loop_goes_to_sleep) {
  hold_everywhere(call, -1, 0);
}
TEST(a_call_with_a_deadline_while_the_loop_goes_to_sleep) {
  hold_everywhere(call_bounded, -1, 0);
}
