/* ob_call: blocks the calling thread until the handler has answered.
 *
 * Without deadline, a synchronous handler's request lives on the caller's
 * stack (bare); every other call is a full request that both sides hold. */
#include <string.h>

#include "internal.h"

/* Calls that are cheap to refuse are refused first: nothing has run. */
static int enter_call(ob_engine *engine, const ob_call_opts *opts) {
  int rc = ob__enter(engine);
  if (rc == OB_OK) rc = ob__check_opts(opts, 0);
  if (rc == OB_OK && opts->deadline_ns == 0)
    rc = ob__fail(OB_ETIMEDOUT, "ob_call: the deadline of 0 ns has passed");
  return rc;
}

static void bare_init(ob_request *request, ob_engine *engine,
                      const ob_call_opts *opts) {
  ob__bare_init(request, engine);
  request->flags = opts->flags;
  request->handler = opts->handler;
  request->input = opts->input;
  request->input_size = opts->input_size;
  request->user = opts->user;
  request->name = opts->name;
}

static int call_inline(ob_engine *engine, const ob_call_opts *opts,
                       ob_result *out) {
  ob_request request;
  if (!(opts->flags & OB_CALL_SYNC) || (opts->flags & OB_CALL_OFFLOAD)) {
#ifndef OB_BREAK_NEST
    return ob__fail(OB_EDEADLK,
                    "ob_call of \"%s\" on the loop thread of engine \"%s\" "
                    "would wait for itself; flag the handler OB_CALL_SYNC or "
                    "use ob_submit",
                    opts->name != NULL ? opts->name : "a handler",
                    engine->name);
#endif
  }
  if (ob__load_relaxed(&engine->gate) == OB__STOP_CANCEL)
    return ob__refuse_shutdown(engine);
  bare_init(&request, engine, opts);
  ob__bare_inline(&request);
  *out = request.result;
  return request.status;
}

static inline void measure(ob_request *request, ob__lane *lane) {
  uint32_t weight = ob__look_due(request->engine, lane);
  if (OB_LIKELY(weight == 0)) return;
  request->flags |= OB__FLAG_LOOK;
  memcpy(ob__bare_time(request), &lane->look_time, sizeof lane->look_time);
  ob__bare_weight(request) = weight;
}

static int call_bare(ob_engine *engine, ob__lane *lane,
                     const ob_call_opts *opts, ob_result *out) {
  ob_request request;
  int rc;
  bare_init(&request, engine, opts);
  ob__bare_caller(&request) = lane->thread;
  ob__bare_lane(&request) = lane;
  request.caller_cpu = ob__cpu();
  measure(&request, lane);
  if (OB_UNLIKELY(!ob__lane_idle(lane))) {
    request.flags |= OB__FLAG_BEHIND;
    ob__bare_tail(&request) = (size_t)lane->tail;
  }
  rc = ob__lane_push(lane, &request.node);
  if (OB_UNLIKELY(rc != OB_OK)) ob__refuse(engine, rc);
  ob__counted(lane, rc);
  if (OB_LIKELY(rc == OB_OK)) {
    ob__wait_bare(&request, lane->thread);
    *out = request.result;
    rc = request.status;
  }
  return rc;
}

/* Without deadline, of a handler that answers before it returns. */
static int call_sync(ob_engine *engine, ob__lane *lane,
                     const ob_call_opts *opts, ob_result *out) {
  int rc = ob__room_take(lane, opts->flags & OB_CALL_NOWAIT, OB_FOREVER);
  if (OB_UNLIKELY(rc != OB_OK)) return ob__counted(lane, rc);
  ob__add_relaxed(&engine->callers, 1u); /* the push publishes it */
  ob__store_relaxed(&lane->held, UINT64_C(1));
  if (
#ifndef OB_BREAK_BOX_IDLE
      ob__lane_idle(lane) &&
#endif
      ob__box_call(engine, lane, opts, out, &rc))
    ob__counted(lane, OB_OK);
  else
    rc = call_bare(engine, lane, opts, out);
  ob__sub_acq_rel(&engine->callers, 1u); /* the last touch of the engine */
  ob__store_relaxed(&lane->held, UINT64_C(0));
  return rc;
}

/* The text of a call that Outboard ended. */
static int explain(ob_engine *engine, ob_request *request, int rc) {
  const char *name = request->name != NULL ? request->name : "a handler";
  switch (rc) {
    case OB_ETIMEDOUT:
      return ob__fail(rc, "the deadline of the call of \"%s\" has passed",
                      name);
    case OB_EAGAIN:
      return ob__fail(rc,
                      "%u jobs wait for the pool of engine \"%s\": its "
                      "limit",
                      engine->opts.offload_queue, engine->name);
    case OB_ESYSTEM:
      return ob__fail(rc, "no thread for the pool of engine \"%s\"",
                      engine->name);
    default:
      return ob__refuse(engine, rc);
  }
}

/* The caller watches its own time, so that a stalled loop cannot hold it. */
static int wait_full(ob_engine *engine, ob__lane *lane, ob_request *request,
                     ob_result *out) {
  uint64_t deadline = ob__full_of(request)->deadline;
  uint32_t state;
  int rc = OB_OK;
#ifdef OB_BREAK_DEADLINE
  deadline = OB_FOREVER; /* trust the loop to end it */
#endif
  if (!ob__spin_caller(engine, lane->thread, ob__watch_done(request)))
    rc = ob__wait_request(request, deadline);
  if (rc == OB_ETIMEDOUT) ob__end_early(request, OB__END_TIMEOUT);
  ob__request_take(request, out);
  state = ob__load_acquire(&request->state);
  rc = ob__request_status(request, state);
  return state & OB__EARLY_MASK ? explain(engine, request, rc) : rc;
}

static int call_full(ob_engine *engine, ob__lane *lane,
                     const ob_call_opts *opts, ob_result *out, int *accepted) {
  ob_request *request;
  int rc;
  ob__add_relaxed(&engine->callers, 1u);
  rc = ob__submit_full(&request, lane, opts, OB__FLAG_BLOCKED);
  if (rc == OB_OK) {
    *accepted = 1;
    rc = wait_full(engine, lane, request, out);
    ob__request_unref(request);
  }
  ob__sub_acq_rel(&engine->callers, 1u); /* the last touch of the engine */
  return rc;
}

/* From another thread than the engine's. */
static int call_across(ob_engine *engine, const ob_call_opts *opts,
                       ob_result *out, int *accepted) {
  ob__lane *lane = ob__lane_get(engine);
  int rc, on_other_loop = ob__loop_self() != NULL;
  if (OB_UNLIKELY(lane == NULL))
    return ob__fail(OB_ENOMEM, "ob_call: no memory for this thread's lane");
  if (OB_UNLIKELY(on_other_loop)) {
    rc = ob__cycle_enter(&engine, 1, "ob_call");
    if (rc != OB_OK) return ob__counted(lane, rc);
  }
  if ((opts->flags & (OB_CALL_SYNC | OB_CALL_OFFLOAD)) == OB_CALL_SYNC &&
      opts->deadline_ns == OB_FOREVER && opts->destroy == NULL)
    rc = call_sync(engine, lane, opts, out);
  else
    rc = call_full(engine, lane, opts, out, accepted);
  if (OB_UNLIKELY(on_other_loop)) ob__cycle_leave();
  return rc;
}

int ob_call(ob_engine *engine, const ob_call_opts *opts, ob_result *out) {
  ob_result unwanted, *result = out != NULL ? out : &unwanted;
  int rc, accepted = 0;
  *result = ob_result_none();
  rc = enter_call(engine, opts);
  if (OB_LIKELY(rc == OB_OK))
    rc = ob__on_loop(engine) ? call_inline(engine, opts, result)
                             : call_across(engine, opts, result, &accepted);
  /* The status may be the handler's own, so it could not tell the caller
   * whether the input was taken: it always is. */
  if (!accepted && opts != NULL && opts->size == sizeof *opts &&
      opts->destroy != NULL)
    OB__CALL_OUT(opts->destroy(opts->input, opts->input_size, opts->user));
  if (out == NULL) ob_result_free(result);
  return rc;
}
