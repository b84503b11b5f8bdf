/* outboard_spi.h: what the Swift layer needs beyond the public contract. */
#include <string.h>

#include "internal.h"

int ob_spi_push(ob_engine *engine, ob_node *node) {
#ifndef OB_BREAK_FORK
  if (OB_UNLIKELY(engine->fork_word != ob__fork_word())) return OB_EFORKED;
#endif
  return ob__push_exempt(engine, node);
}

void ob_spi_set_context(ob_engine *engine, void *context) {
  engine->swift_context = context;
}

void *ob_spi_current_context(void) {
  ob_engine *engine = ob__loop_self();
  return engine != NULL ? engine->swift_context : NULL;
}

uint64_t ob_spi_now(void) {
  return ob__now();
}

/* Calls in a row without a suspension, which would let other tasks run: while
 * this thread has others under way, and while it seems to have none. Each yield
 * costs the pool a wake-up of another thread. */
#define SPINS_AMONG_OTHERS 8
#define SPINS_ALONE 256

static uint32_t spins_allowed(ob_engine *engine) {
  const ob__lane *lane = ob__lane_get(engine);
  return lane == NULL || ob__lane_used(lane) > 0 ? SPINS_AMONG_OTHERS
                                                 : SPINS_ALONE;
}

int ob__spin_awaiter(ob_engine *engine, ob__watch watch) {
  ob__thread *self = ob__thread_self();
  int done = (ob__load_acquire(watch.word) & watch.mask) == watch.value;
  if (self == NULL) return done;
  if (!done && ob__load_relaxed(&engine->callers) == 0) {
    /* The executor, which the caller holds, keeps the engine. */
    ob__add_relaxed(&engine->callers, 1u);
    done = ob__spin_caller(engine, self, watch);
    ob__sub_acq_rel(&engine->callers, 1u);
  }
  self->spins = done ? self->spins + 1 : 0;
  if (self->spins < SPINS_AMONG_OTHERS || self->spins < spins_allowed(engine))
    return done;
  self->spins = 0;
  return 2;
}

int ob_spi_spin(ob_ticket *ticket) {
  ob_request *request = (ob_request *)ticket;
  return ob__spin_awaiter(request->engine, ob__watch_done(request));
}

void ob_spi_timer_start(ob_engine *engine, ob_timer *timer, uint64_t after_ns) {
  ob__assert_loop(engine, "ob_spi_timer_start");
  timer->due_ns = after_ns;
  ob__wheel_add_fresh(&engine->wheel, timer);
}

int ob_spi_timer_stop(ob_engine *engine, ob_timer *timer) {
  ob__assert_loop(engine, "ob_spi_timer_stop");
  return ob__wheel_remove(&engine->wheel, timer);
}

#ifdef OB_HAVE_SWIFTCALL

/* Of a closure's two words, its function's and its context: both travel with
 * the call. */
static ob_call_opts closure_call(ob_handler handler, const void *function,
                                 void *context) {
  ob_call_opts opts = OB_CALL_OPTS_INIT;
  opts.handler = handler;
  opts.name = "callAndWait";
  memcpy(&opts.user, function, sizeof opts.user);
  opts.input = context;
  opts.flags = OB_CALL_SYNC;
  return opts;
}

static void run_closure(ob_request *request, void *input, size_t size,
                        void *user) {
  ob_spi_body body;
  (void)size;
  memcpy(&body, &user, sizeof body);
  body(input);
  ob_complete(request, OB_OK, ob_result_none());
}

__attribute__((swiftcall)) int ob_spi_call_closure(ob_engine *engine,
                                                   ob_spi_body body,
                                                   void *context) {
  ob_call_opts opts = closure_call(run_closure, &body, context);
  return ob_call(engine, &opts, NULL);
}

static void run_answering(ob_request *request, void *input, size_t size,
                          void *user) {
  _Alignas(16) char answer[OB_SPI_ANSWER];
  ob_spi_answering body;
  (void)size;
  memcpy(&body, &user, sizeof body);
  body(answer, input);
  ob_complete(request, OB_OK, ob_result_copy(answer, sizeof answer));
}

__attribute__((swiftcall)) int ob_spi_call_answering(ob_engine *engine,
                                                     ob_spi_answering body,
                                                     void *context,
                                                     void *answer) {
  ob_call_opts opts = closure_call(run_answering, &body, context);
  ob_result result;
  int rc = ob_call(engine, &opts, &result);
  if (OB_LIKELY(rc == OB_OK))
    memcpy(answer, ob_result_data(&result), OB_SPI_ANSWER);
  return rc;
}

#endif
