/* Calls through the box (box.c): whether they were, and threads that make them
 * when told to. */
#ifndef BOXED_H
#define BOXED_H

#include "internal.h"
#include "probe.h"

/* On the loop, in the handler. */
static inline int is_boxed(const ob_request *request) {
  return request == &ob_request_engine(request)->box_request;
}

/* Any thread, while the lane's lives. */
static inline uint32_t box_word(const ob__lane *lane) {
  return __atomic_load_n(&lane->box.word, __ATOMIC_ACQUIRE);
}

/* The loop is on one CPU, its callers are on the other; a patient one spins for
 * a second before it sleeps and so closes a box. */
static inline void post_pin(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  test_pin((int)(intptr_t)arg);
}
static inline void patient(ob_engine_opts *opts) {
  opts->spin_ns = 1000000000;
}
static inline ob_engine *pinned_engine(void (*change)(ob_engine_opts *)) {
  ob_engine *engine = test_engine(change);
  CHECK_EQ(ob_post(engine, post_pin, (void *)0), OB_OK);
  test_pin(1); /* and threads that are made from here on */
  return engine;
}

static inline void busy_ns(uint64_t ns) {
  uint64_t end = test_now() + ns;
  while (test_now() < end) continue;
}

/* The test's time limit is the bound. */
#define AWAIT(condition)                \
  do {                                  \
    while (!(condition)) sched_yield(); \
  } while (0)

/* --- One call, checked on both sides ----------------------------------------
 */

#define BOX_INPUT 40
#define BOX_RESULT 48 /* above 32 it is allocated */

typedef struct box_call {
  ob_engine *engine;
  unsigned char input[BOX_INPUT];
  size_t size, result_size;
  uint64_t number, slow_ns;
  uint32_t flags;
  int runs, boxed; /* loop */
} box_call;

static inline unsigned char box_byte(uint64_t number, size_t i) {
  return (unsigned char)(number * 31 + i * 7 + 1);
}

static inline void handle_checked(ob_request *request, void *input, size_t size,
                                  void *user) {
  box_call *call = user;
  const unsigned char *bytes = input;
  unsigned char answer[BOX_RESULT];
  int travels = is_boxed(request) && (call->flags & OB_CALL_COPY) && size > 0 &&
                size <= 8;
  size_t i;
  CHECK(ob_engine_current() == call->engine);
  CHECK(ob_request_engine(request) == call->engine);
  CHECK_EQ(size, call->size);
  CHECK_EQ(input != call->input, travels);
  for (i = 0; i < size; i++) CHECK_EQ(bytes[i], box_byte(call->number, i));
  CHECK_EQ(ob_request_remaining(request), OB_FOREVER);
  if (call->slow_ns > 0) busy_ns(call->slow_ns);
  call->runs++;
  call->boxed = is_boxed(request);
  for (i = 0; i < call->result_size; i++)
    answer[i] = box_byte(call->number + 1, i);
  CHECK_EQ(ob_complete(request, (int)(call->number % 5),
                       ob_result_copy(answer, call->result_size)),
           OB_OK);
  CHECK_EQ(ob_complete(request, 0, ob_result_none()), OB_EALREADY);
}

static inline int box_call_make(box_call *call, ob_result *out) {
  ob_call_opts opts = test_call(handle_checked, call);
  size_t i;
  for (i = 0; i < call->size; i++) call->input[i] = box_byte(call->number, i);
  opts.input = call->input;
  opts.input_size = call->size;
  opts.flags = OB_CALL_SYNC | call->flags;
  call->runs = call->boxed = 0;
  return ob_call(call->engine, &opts, out);
}

/* It has run once, and everybody's bytes are what they were. */
static inline void box_call_check(const box_call *call, int status,
                                  ob_result *result) {
  const unsigned char *bytes = ob_result_data(result);
  size_t i;
  CHECK_EQ(status, (int)(call->number % 5));
  CHECK_EQ(call->runs, 1);
  CHECK_EQ(result->size, call->result_size);
  for (i = 0; i < result->size; i++)
    CHECK_EQ(bytes[i], box_byte(call->number + 1, i));
  for (i = 0; i < call->size; i++)
    CHECK_EQ(call->input[i], box_byte(call->number, i));
  ob_result_free(result);
}

/* A call of a size, with flags, that the random number chooses. */
static inline box_call box_call_some(ob_engine *engine, uint64_t random) {
  static const uint32_t flags[] = {0, OB_CALL_COPY, OB_CALL_NOWAIT,
                                   OB_CALL_COPY | OB_CALL_NOWAIT};
  box_call call = {.engine = engine, .number = random};
  call.size = (random >> 8) % (random >> 16 & 1 ? 9 : BOX_INPUT + 1);
  call.result_size = (random >> 24) % (BOX_RESULT + 1);
  call.flags = flags[random >> 32 & 3];
  return call;
}

/* 1 if it came through the box. */
static inline int call_some(ob_engine *engine, uint64_t random) {
  box_call call = box_call_some(engine, random);
  ob_result result;
  int status = box_call_make(&call, &result);
  box_call_check(&call, status, &result);
  return call.boxed;
}

/* Calls until this thread's box is open; the time limit is the bound. */
static inline ob__lane *open_box(ob_engine *engine) {
  ob__lane *lane = ob__lane_get(engine);
  uint64_t n = 0;
  while (box_word(lane) == 0) call_some(engine, n++);
  return lane;
}

/* --- Threads that call when told to -----------------------------------------
 */

typedef struct box_caller {
  ob_engine *engine;
  pthread_t thread;
  ob__lane *lane; /* its, once ready */
  uint64_t seed;
  int ready, asked, done, quit; /* atomic */
  int calls;                    /* how many it is asked for */
  uint64_t boxed;               /* of all that it made */
} box_caller;

static inline void *box_serve(void *arg) {
  box_caller *self = arg;
  int i;
  self->lane = ob__lane_get(self->engine);
  set(&self->ready, 1);
  for (;;) {
    AWAIT(get(&self->asked) != self->done || get(&self->quit));
    if (get(&self->asked) == self->done) return NULL;
    for (i = 0; i < self->calls; i++)
      self->boxed +=
          (uint64_t)call_some(self->engine, test_random(&self->seed));
    add(&self->done);
  }
}

static inline void box_caller_start(box_caller *self, ob_engine *engine,
                                    uint64_t seed) {
  memset(self, 0, sizeof *self);
  self->engine = engine;
  self->seed = seed;
  self->thread = test_thread(box_serve, self);
  test_await(&self->ready);
}
static inline void box_caller_ask(box_caller *self, int calls) {
  self->calls = calls;
  add(&self->asked);
}
static inline void box_caller_await(box_caller *self) {
  AWAIT(get(&self->done) == self->asked);
}
static inline void box_caller_run(box_caller *self, int calls) {
  box_caller_ask(self, calls);
  box_caller_await(self);
}
static inline void box_caller_end(box_caller *self) {
  set(&self->quit, 1);
  test_join(self->thread);
}

#endif
