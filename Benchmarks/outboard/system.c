/* Outboard through its public C API, with its defaults (spin=off: without
 * spinning). Timers alone go through outboard_spi.h: it is the wheel that every
 * deadline and every Swift sleep uses, and has no public entry of its own. */
#include <outboard.h>
#include <outboard_spi.h>
#include <outboard_uv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "uv_echo.h"

typedef struct subject {
  ob_engine *engine;
  ob_timer *timers;
  ob_ticket **tickets;
  ob_request **requests; /* loop thread, by the pending handlers */
  unsigned open, begun;
} subject;

static ob_engine *engine_of(void *ctx) {
  return ((subject *)ctx)->engine;
}

static void *start(void) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  subject *s = calloc(1, sizeof *s);
  if (s == NULL) bench_fail("out of memory");
  if (strcmp(bench_option("spin", "default"), "off") == 0) opts.spin_ns = 0;
  if (ob_engine_start(&s->engine, &opts) != OB_OK)
    bench_fail(ob_last_error_detail());
  return s;
}

static void stop(void *ctx) {
  if (ob_engine_destroy(engine_of(ctx)) != OB_OK)
    bench_fail(ob_last_error_detail());
  free(ctx);
}

/* --- Calls ------------------------------------------------------------------
 */

static void increment(ob_request *request, void *input, size_t size,
                      void *user) {
  int answer = bench_handle(*(const int *)input);
  (void)size;
  (void)user;
  ob_complete(request, OB_OK, ob_result_copy(&answer, sizeof answer));
}

static int call_with(void *ctx, int x, uint32_t flags) {
  ob_call_opts call = OB_CALL_OPTS_INIT;
  ob_result result;
  call.handler = increment;
  call.input = &x;
  call.input_size = sizeof x;
  call.flags = flags;
  if (ob_call(engine_of(ctx), &call, &result) != OB_OK) return -1;
  return *(const int *)ob_result_data(&result);
}

static int sync_call(void *ctx, int x) {
  return call_with(ctx, x, OB_CALL_SYNC | OB_CALL_COPY);
}

static int offload(void *ctx, int x) {
  return call_with(ctx, x, OB_CALL_OFFLOAD);
}

static void count(void *arg, int status) {
  if (status == OB_OK) bench_count(arg);
}

static void post(void *ctx, uint64_t *n) {
  if (ob_post(engine_of(ctx), count, n) != OB_OK)
    bench_fail(ob_last_error_detail());
}

typedef struct order {
  int x;
  bench_done done;
  void *arg;
} order;

static void handle_order(ob_request *request, void *input, size_t size,
                         void *user) {
  order o = *(const order *)input;
  (void)size;
  (void)user;
  o.x = bench_handle(o.x);
  ob_complete(request, OB_OK, ob_result_copy(&o, sizeof o));
}

static void order_done(int status, ob_result *result, void *user) {
  const order *o = ob_result_data(result);
  (void)user;
  if (status != OB_OK) bench_fail(ob_err_name(status));
  o->done(o->arg, o->x);
}

static void submit(void *ctx, int x, bench_done done, void *arg) {
  order o = {x, done, arg};
  ob_call_opts call = OB_CALL_OPTS_INIT;
  call.handler = handle_order;
  call.input = &o;
  call.input_size = sizeof o;
  call.flags = OB_CALL_SYNC;
  call.on_done = order_done;
  if (ob_submit(NULL, engine_of(ctx), &call) != OB_OK)
    bench_fail(ob_last_error_detail());
}

/* --- Payloads ---------------------------------------------------------------
 */

static void answer_copy(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)user;
  bench_touch(input, size);
  ob_complete(request, OB_OK, ob_result_copy(input, size));
}

/* The buffer stays the caller's of old; it only passes through. */
static void keep(void *data, size_t size, void *user) {
  (void)data;
  (void)size;
  (void)user;
}

static void answer_own(ob_request *request, void *input, size_t size,
                       void *user) {
  (void)user;
  bench_touch(input, size);
  ob_complete(request, OB_OK, ob_result_own(input, size, keep, NULL));
}

static void release(bench_blob *blob) {
  ob_result_free((ob_result *)(void *)blob->store);
}

/* With a deadline the engine copies the input, or takes it over. */
static void payload(void *ctx, void *data, size_t size, int handed,
                    bench_blob *answer) {
  ob_result *result = (ob_result *)(void *)answer->store;
  ob_call_opts call = OB_CALL_OPTS_INIT;
  _Static_assert(sizeof *result <= sizeof answer->store, "store is too small");
  call.handler = handed ? answer_own : answer_copy;
  call.input = data;
  call.input_size = size;
  call.destroy = handed ? keep : NULL;
  call.deadline_ns = UINT64_C(60000000000);
  call.flags = OB_CALL_SYNC;
  if (ob_call(engine_of(ctx), &call, result) != OB_OK)
    bench_fail(ob_last_error_detail());
  answer->data = (void *)(uintptr_t)ob_result_data(result);
  answer->size = result->size;
  answer->release = release;
}

/* --- On the loop ------------------------------------------------------------
 */

typedef struct errand {
  bench_task fn;
  void *arg;
} errand;

static void run_errand(ob_request *request, void *input, size_t size,
                       void *user) {
  const errand *e = input;
  (void)size;
  (void)user;
  e->fn(e->arg);
  ob_complete(request, OB_OK, ob_result_none());
}

static void on_loop(void *ctx, bench_task fn, void *arg) {
  errand e = {fn, arg};
  ob_call_opts call = OB_CALL_OPTS_INIT;
  call.handler = run_errand;
  call.input = &e;
  call.input_size = sizeof e;
  call.flags = OB_CALL_SYNC;
  if (ob_call(engine_of(ctx), &call, NULL) != OB_OK)
    bench_fail(ob_last_error_detail());
}

static void fire(ob_timer *timer, int status) {
  (void)timer;
  (void)status;
}

static void timer_open(void *ctx, unsigned n) {
  subject *s = ctx;
  unsigned i;
  s->timers = calloc(n, sizeof *s->timers);
  if (s->timers == NULL) bench_fail("out of memory");
  for (i = 0; i < n; i++) s->timers[i].fire = fire;
}

static void timer_arm(void *ctx, unsigned slot, unsigned ms) {
  subject *s = ctx;
  ob_spi_timer_start(s->engine, &s->timers[slot], ms * UINT64_C(1000000));
}

static void timer_cancel(void *ctx, unsigned slot) {
  subject *s = ctx;
  ob_spi_timer_stop(s->engine, &s->timers[slot]);
}

static void timer_close(void *ctx) {
  free(((subject *)ctx)->timers);
}

/* --- Calls under way --------------------------------------------------------
 */

static void pend(ob_request *request, void *input, size_t size, void *user) {
  subject *s = user;
  (void)input;
  (void)size;
  s->requests[s->begun++] = request;
}

static void answer_all(void *arg) {
  subject *s = arg;
  unsigned i;
  for (i = 0; i < s->open; i++)
    ob_complete(s->requests[i], OB_OK, ob_result_none());
}

static void nothing(void *arg) {
  (void)arg;
}

static void open_many(void *ctx, unsigned n) {
  subject *s = ctx;
  ob_call_opts call = OB_CALL_OPTS_INIT;
  unsigned i;
  s->tickets = calloc(n, sizeof *s->tickets);
  s->requests = calloc(n, sizeof *s->requests);
  if (s->tickets == NULL || s->requests == NULL) bench_fail("out of memory");
  s->open = n;
  s->begun = 0;
  call.handler = pend;
  call.user = s;
  for (i = 0; i < n; i++)
    if (ob_submit(&s->tickets[i], s->engine, &call) != OB_OK)
      bench_fail(ob_last_error_detail());
  on_loop(ctx, nothing, NULL); /* what was handed in before has run */
}

static void close_many(void *ctx) {
  subject *s = ctx;
  unsigned i;
  on_loop(ctx, answer_all, s);
  for (i = 0; i < s->open; i++) ob_ticket_release(s->tickets[i]);
  free(s->tickets);
  free(s->requests);
}

typedef struct listening {
  subject *s;
  int port;
} listening;

static void listen_on_loop(void *arg) {
  listening *l = arg;
  uv_loop_t *loop = ob_uv_loop(l->s->engine);
  if (loop == NULL) bench_fail(ob_last_error_detail());
  l->port = uv_echo_listen(loop);
}

static int echo(void *ctx) {
  listening l = {ctx, 0};
  on_loop(ctx, listen_on_loop, &l);
  return l.port;
}

const bench_system bench_subject = {
    .name = "outboard",
    .start = start,
    .stop = stop,
    .sync = sync_call,
    .post = post,
    .submit = submit,
    .offload = offload,
    .payload = payload,
    .on_loop = on_loop,
    .timer_open = timer_open,
    .timer_arm = timer_arm,
    .timer_cancel = timer_cancel,
    .timer_close = timer_close,
    .open_many = open_many,
    .close_many = close_many,
    .echo = echo,
};
