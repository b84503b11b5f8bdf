/* Finishing a request: by its handler (ob_complete), or early.
 *
 * Inside its handler on the loop an answer is only noted; dispatch.c delivers
 * it when the handler returns, so that a second answer is caught while the
 * request still exists. Elsewhere the completer wakes the waiters itself and
 * pushes the request's node, so that the loop calls back and cleans up. */
#include "internal.h"

void ob__wake_waiters(ob_request *request) {
  ob__full *full = ob__full_of(request);
  ob__waiter *waiter;
  ob__lock_take(&full->lock);
  for (waiter = full->waiters; waiter != NULL; waiter = waiter->next)
    ob__unpark(waiter->parker);
  ob__lock_give(&full->lock);
}

/* The slot, with what ob_result_copy could not allocate turned into a status.
 */
static void fill_slot(ob_request *request, int status, ob_result *result) {
  if (ob__result_failed(result)) {
    status = OB_ENOMEM;
    *result = ob_result_none();
  }
  request->status = status;
  request->result = *result;
}

static int answered_before(void) {
  return ob__fail(OB_EALREADY,
                  "ob_complete: this request was answered before; answer each "
                  "request once");
}

/* An answer inside the handler, on the loop. */
static int note_answer(ob_engine *engine, ob_request *request, int status,
                       ob_result *result) {
  int can_race =
      (request->flags & OB__FLAG_FULL) && !(request->flags & OB_CALL_SYNC);
  if (engine->current_answered) return answered_before();
  if (can_race && (ob__or_acq_rel(&request->state, OB__CLAIMED) & OB__CLAIMED))
    return answered_before(); /* by another thread, just now */
  engine->current_answered = 1;
  if (can_race) /* an answer wins over a pause that was asked for */
    ob__wheel_remove(&engine->wheel, &ob__full_of(request)->retry);
  if ((request->flags & OB__FLAG_FULL) &&
      (ob__load_acquire(&request->state) & OB__DONE)) {
    ob_result_free(result);
    return OB_ECANCELED;
  }
  fill_slot(request, status, result);
  return OB_OK;
}

int ob_complete(ob_request *request, int status, ob_result result) {
  ob_engine *engine;
  uint32_t old;
  if (request == NULL)
    return ob__fail(OB_EINVAL, "ob_complete: request is NULL");
  engine = request->engine;
#ifndef OB_BREAK_FORK
  if (OB_UNLIKELY(engine->fork_word != ob__fork_word())) {
    ob_result_free(&result);
    return ob__fail(OB_EFORKED,
                    "ob_complete: the call belongs to the parent process");
  }
#endif
  if (ob__on_loop(engine) && engine->current == request)
    return note_answer(engine, request, status, &result);
  if (request->flags & OB_CALL_SYNC)
    return ob__fail(OB_EPERM,
                    "ob_complete: an OB_CALL_SYNC request must be answered by "
                    "its handler, before it returns");
  /* A second answer finds CLAIMED. ANSWERED is set by the last RMW only: from
   * it on the loop may let go of the request. */
#ifdef OB_BREAK_CLAIM /* the loop may let go while we still write */
  ob__or_acq_rel(&request->state, OB__ANSWERED);
#endif
  old = ob__or_acq_rel(&request->state, OB__CLAIMED);
#ifndef OB_BREAK_ONCE
  if (old & OB__CLAIMED) return answered_before();
#endif
  fill_slot(request, status, &result);
  return ob__publish_answer(request);
}

int ob__publish_answer(ob_request *request) {
  ob_engine *engine = request->engine;
  uint32_t old;
  ob__request_ref(request); /* the loop may drop the last one from here on */
  old = ob__or_acq_rel(&request->state, OB__DONE | OB__ANSWERED | OB__NODE);
  if (old & OB__DONE) {
#ifndef OB_BREAK_LATE
    ob_result_free(&request->result); /* ended early: nobody reads the slot */
#else
    request->result = ob_result_none();
#endif
  } else if (old & OB__WAITERS) {
    ob__wake_waiters(request);
  }
  if ((old & OB__NODE) == 0) ob__push_last(engine, &request->node);
  ob__request_unref(request);
  return (old & OB__DONE) ? OB_ECANCELED : OB_OK;
}

int ob__end_early(ob_request *request, int kind) {
  ob_engine *engine = request->engine;
  uint32_t old = ob__load_acquire(&request->state), state;
  do {
    if (old & OB__DONE) return OB_EALREADY;
    state = old | OB__CANCEL;
    /* A handler that runs answers for itself: until then its input must stay.
     * A deadline alone does not wait for it, and copies the input. */
#ifdef OB_BREAK_KEEP
    if (kind != OB__END_CANCEL || !(old & OB__RUNNING))
#else
    if (kind == OB__END_TIMEOUT || kind == OB__END_BROKEN ||
        !(old & OB__RUNNING))
#endif
      state |= OB__DONE | ((uint32_t)kind << OB__EARLY_SHIFT);
    if (old & (OB__RUNNING | OB__POOLED)) state |= OB__NODE;
    if (state == old) return OB_OK;
  } while (!ob__cas_weak_acq_rel(&request->state, &old, state));
  if ((state & OB__DONE) && (old & OB__WAITERS)) ob__wake_waiters(request);
  if ((state & OB__NODE) && !(old & OB__NODE))
    ob__push_last(engine, &request->node);
  return OB_OK;
}

int ob_request_on_cancel(ob_request *request, ob_cancel_hook hook, void *arg) {
  ob__full *full;
  uint32_t old;
  if (request == NULL || hook == NULL)
    return ob__fail(OB_EINVAL, "ob_request_on_cancel: %s is NULL",
                    request == NULL ? "request" : "hook");
  if ((request->flags & OB_CALL_SYNC) || !(request->flags & OB__FLAG_FULL))
    return ob__fail(OB_EINVAL,
                    "ob_request_on_cancel: an OB_CALL_SYNC handler "
                    "cannot be interrupted while it runs");
  full = ob__full_of(request);
  old = ob__load_acquire(&request->state);
  if (old & (OB__HOOKED | OB__CLAIMED))
    return ob__fail(OB_EALREADY, "ob_request_on_cancel: %s",
                    old & OB__HOOKED ? "a hook is set" : "answered before");
  full->on_cancel = hook;
  full->cancel_arg = arg;
  do {
    if (old & (OB__CANCEL | OB__DONE)) return OB_ECANCELED;
    /* Release: the hook, to the loop that finds HOOKED. */
  } while (!ob__cas_weak_acq_rel(&request->state, &old, old | OB__HOOKED));
  return OB_OK;
}

int ob_request_cancelled(const ob_request *request) {
  if (request == NULL) return 0;
  /* The handler that holds the loop when a stop begins is on no list. */
  return (ob__load_acquire(&request->state) & OB__CANCEL) != 0 ||
         ob__load_relaxed(&request->engine->gate) == OB__STOP_CANCEL;
}

uint64_t ob_request_remaining(const ob_request *request) {
  uint64_t deadline, now;
  if (request == NULL) return 0;
  if (!(request->flags & OB__FLAG_FULL)) return OB_FOREVER;
  deadline = ((const ob__full *)request)->deadline;
  if (deadline == OB_FOREVER) return OB_FOREVER;
  now = ob__now();
  return now < deadline ? deadline - now : 0;
}

ob_engine *ob_request_engine(const ob_request *request) {
  return request != NULL ? request->engine : NULL;
}
