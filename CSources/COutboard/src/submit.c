/* ob_submit and tickets. A ticket is its request, held by one more reference.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static void free_copy(void *data, size_t size, void *user) {
  (void)size;
  (void)user;
  free(data);
}

/* Copies the input unless somebody else keeps it alive. */
static int own_input(ob_request *request, const ob_call_opts *opts,
                     uint32_t flags) {
  ob__full *full = ob__full_of(request);
  int outlives =
      (opts->flags & OB_CALL_BORROW) || opts->destroy != NULL ||
      opts->input_size == 0 ||
      ((flags & OB__FLAG_BLOCKED) && opts->deadline_ns == OB_FOREVER);
  request->input = opts->input;
  request->input_size = opts->input_size;
  full->destroy = opts->destroy;
  if (outlives) return OB_OK;
  if (opts->input_size <= OB_RESULT_INLINE) { /* valid until the answer */
    request->input =
        memcpy(request->result.u.bytes, opts->input, opts->input_size);
    return OB_OK;
  }
  request->input = malloc(opts->input_size);
  if (request->input == NULL)
    return ob__fail(OB_ENOMEM, "no memory for a copy of %zu bytes of input",
                    opts->input_size);
  memcpy(request->input, opts->input, opts->input_size);
  full->destroy = free_copy;
  return OB_OK;
}

static inline void measure(ob_request *request, ob__lane *lane) {
  uint32_t weight = ob__look_due(lane->engine, lane);
  if (OB_LIKELY(weight == 0)) return;
  request->flags |= OB__FLAG_LOOK;
  ob__full_of(request)->look =
      (ob__look){.enqueued = lane->look_time, .weight = weight};
}

static int make_full(ob_request **out, ob__lane *lane, const ob_call_opts *opts,
                     uint32_t flags) {
  ob_request *request = ob__request_new(lane);
  ob__full *full;
  int rc;
  if (request == NULL) return ob__fail(OB_ENOMEM, "no memory for a request");
  full = ob__full_of(request);
  request->node.run = ob__request_run;
  request->state = OB__NODE;
  request->flags = opts->flags | flags | OB__FLAG_FULL;
  request->engine = lane->engine;
  request->caller_cpu = ob__cpu();
  request->handler = opts->handler;
  request->user = opts->user;
  request->name = opts->name;
  full->fork_word = lane->engine->fork_word;
  request->result = ob_result_none();
  full->done_user = opts->done_user;
  full->done.on_done = opts->on_done;
  full->cq = opts->cq;
  measure(request, lane);
  rc = own_input(request, opts, flags);
  if (rc != OB_OK) {
    ob__request_unref(request);
    return rc;
  }
  *out = request;
  return OB_OK;
}

/* Refused: nothing was transferred, so the user's destroy does not run. */
static void unmake_full(ob_request *request) {
  ob__full *full = ob__full_of(request);
  if (full->destroy == free_copy) free_copy(request->input, 0, NULL);
  ob__store_relaxed(&full->refs, 1u);
  ob__request_unref(request);
}

static int push_full(ob__lane *lane, ob_request *request) {
  int rc;
  if (!ob__lane_idle(lane))
    return ob__lane_append(lane, ob__request_entry, request);
  request->flags |= OB__FLAG_LISTED;
  ob__store_relaxed(&lane->listed, lane->listed + 1);
  rc = ob__lane_push(lane, &request->node);
  if (rc != OB_OK) ob__store_relaxed(&lane->listed, lane->listed - 1);
  return rc;
}

int ob__submit_full(ob_request **out, ob__lane *lane, const ob_call_opts *opts,
                    uint32_t flags) {
  ob_request *request = NULL;
  uint64_t deadline = ob__deadline(opts->deadline_ns);
  int rc = ob__room_take(lane, opts->flags & OB_CALL_NOWAIT, deadline);
  if (rc == OB_OK) rc = make_full(&request, lane, opts, flags);
  if (rc == OB_OK) {
    ob__full_of(request)->deadline = deadline;
    /* The loop's, and ours if we are to look at it after the push. */
    ob__full_of(request)->refs = flags & OB__FLAG_ALONE ? 1 : 2;
    rc = push_full(lane, request);
    if (rc != OB_OK) {
      unmake_full(request);
      ob__refuse(lane->engine, rc);
    }
  }
  *out = rc == OB_OK ? request : NULL;
  return ob__counted(lane, rc);
}

/* Whether nobody can ask about a submission once it is handed in. */
static int travels_alone(ob_ticket **out, const ob_call_opts *opts) {
  return out == NULL && opts->cq == NULL && opts->destroy == NULL &&
         opts->deadline_ns == OB_FOREVER && (opts->flags & OB_CALL_SYNC) &&
         (opts->input_size <= OB_RESULT_INLINE ||
          (opts->flags & OB_CALL_BORROW));
}

static int submit_alone(ob__lane *lane, const ob_call_opts *opts) {
  int rc = ob__room_take(lane, opts->flags & OB_CALL_NOWAIT, OB_FOREVER);
  if (OB_LIKELY(rc == OB_OK)) {
    rc = ob__lane_append_call(lane, opts);
    if (OB_UNLIKELY(rc != OB_OK)) ob__refuse(lane->engine, rc);
  }
  return ob__counted(lane, rc);
}

int ob_submit(ob_ticket **out, ob_engine *engine, const ob_call_opts *opts) {
  ob_request *request;
  ob__lane *lane;
  int rc;
  if (out != NULL) *out = NULL;
  rc = ob__enter(engine);
  if (rc == OB_OK) rc = ob__check_opts(opts, 1);
  if (rc != OB_OK) return rc;
  lane = ob__lane_get(engine);
  if (lane == NULL)
    return ob__fail(OB_ENOMEM, "ob_submit: no memory for this thread's lane");
  if (travels_alone(out, opts)) return submit_alone(lane, opts);
  if (opts->cq != NULL) ob__cq_begin(opts->cq);
  rc = ob__submit_full(&request, lane, opts, out == NULL ? OB__FLAG_ALONE : 0);
  if (rc != OB_OK) {
    if (opts->cq != NULL) ob__cq_abort(opts->cq);
    return rc;
  }
  if (out != NULL) *out = (ob_ticket *)request;
  return OB_OK;
}

/* --- Tickets ----------------------------------------------------------------
 */

int ob_ticket_wait(ob_ticket *ticket, uint64_t deadline_ns, ob_result *out) {
  ob_request *request = (ob_request *)ticket;
  int rc;
  if (out != NULL) *out = ob_result_none();
  if (ticket == NULL) return ob__fail(OB_EINVAL, "ob_ticket_wait: no ticket");
  rc = ob__wait_ticket(ticket, deadline_ns);
  if (rc != OB_OK) return rc;
  if (out != NULL && ticket->full.cq == NULL && /* first: it says which done */
      ticket->full.done.on_done == NULL && !ob__request_take(request, out))
    return ob__fail(OB_EALREADY, "ob_ticket_wait: the result was taken before");
  return ob__request_status(request, ob__load_acquire(&request->state));
}

int ob_ticket_poll(ob_ticket *ticket, int *status) {
  ob_request *request = (ob_request *)ticket;
  uint32_t state;
  if (ticket == NULL) return ob__fail(OB_EINVAL, "ob_ticket_poll: no ticket");
  state = ob__load_acquire(&request->state);
  if (!(state & OB__DONE)) return 0;
  if (status != NULL) *status = ob__request_status(request, state);
  return 1;
}

int ob_ticket_cancel(ob_ticket *ticket) {
  ob_request *request = (ob_request *)ticket;
  if (ticket == NULL) return ob__fail(OB_EINVAL, "ob_ticket_cancel: no ticket");
  if (request->flags & OB__FLAG_STREAM)
    return ob__fail(OB_EINVAL,
                    "ob_ticket_cancel: the ticket is a stream's; release the "
                    "stream to end it");
  if (ob__load_acquire(&request->state) & OB__DONE)
    return ob__fail(OB_EALREADY, "ob_ticket_cancel: the call has ended");
#ifndef OB_BREAK_FORK
  if (ticket->full.fork_word != ob__fork_word())
    return ob__fail(OB_EFORKED,
                    "ob_ticket_cancel: the call belongs to the parent process");
#endif
  return ob__end_early(request, OB__END_CANCEL);
}

void ob_ticket_release(ob_ticket *ticket) {
  if (ticket != NULL) ob__request_unref((ob_request *)ticket);
}
