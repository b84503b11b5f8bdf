/* Handlers that are to run again after a pause (ob_request_again).
 *
 * During the pause the request is one whose handler has returned unanswered, so
 * a deadline, a cancel, a stop and an answer from elsewhere work as for any
 * other; only the hook on cancellation is ours, which answers at once. */
#include <stddef.h>

#include "internal.h"

/* Ends the pause: the handler will not run again. Loop thread. */
static void end_pause(ob_request *request, void *arg) {
  ob_engine *engine = request->engine;
  int stopping = ob__load_relaxed(&engine->gate) == OB__STOP_CANCEL;
  (void)arg;
  ob__wheel_remove(&engine->wheel, &ob__full_of(request)->retry);
  ob_complete(request, stopping ? OB_ESHUTDOWN : OB_ECANCELED,
              ob_result_none());
}

static void pause_is_over(ob_timer *timer, int status) {
  ob__full *full =
      (ob__full *)((char *)timer - offsetof(struct ob__full, retry));
  ob_request *request = &full->base;
  /* Ended or answered a moment ago: its node is on the way. */
  if (status != OB_OK ||
      (ob__load_acquire(&request->state) & (OB__CLAIMED | OB__DONE)))
    return;
  full->on_cancel = full->kept_hook;
  full->cancel_arg = full->kept_arg;
  if (full->attempts < UINT16_MAX) full->attempts++;
  if (ob__run_handler(request->engine, request)) ob__publish_answer(request);
}

static int check_again(const ob_request *request) {
  if (request == NULL)
    return ob__fail(OB_EINVAL, "ob_request_again: request is NULL");
  if ((request->flags & (OB_CALL_SYNC | OB_CALL_OFFLOAD)) ||
      !(request->flags & OB__FLAG_FULL))
    return ob__fail(OB_EINVAL,
                    "ob_request_again: %s; call its handler without that flag",
                    request->flags & OB_CALL_OFFLOAD
                        ? "an OB_CALL_OFFLOAD handler may sleep instead"
                        : "an OB_CALL_SYNC handler answers before it returns");
  if (!ob__on_loop(request->engine) || request->engine->current != request)
    return ob__fail(OB_EPERM,
                    "ob_request_again: only the request's own handler may ask "
                    "for this, before it returns");
  if (request->engine->current_answered ||
      ob__full_of((ob_request *)request)->retry.slot != 0)
    return ob__fail(OB_EALREADY, "ob_request_again: %s",
                    request->engine->current_answered
                        ? "answered before"
                        : "asked for before in this run");
  return OB_OK;
}

int ob_request_again(ob_request *request, uint64_t after_ns) {
  ob_engine *engine;
  ob__full *full;
  uint32_t old;
  int rc = check_again(request);
  if (rc != OB_OK) return rc;
  engine = request->engine;
  full = ob__full_of(request);
  old = ob__load_acquire(&request->state);
  if (old & OB__CLAIMED)
    return ob__fail(OB_EALREADY, "ob_request_again: answered before");
  full->kept_hook = old & OB__HOOKED ? full->on_cancel : NULL;
  full->kept_arg = full->cancel_arg;
  full->on_cancel = end_pause;
  full->cancel_arg = NULL;
  do {
    if (old & (OB__CANCEL | OB__DONE)) {
      full->on_cancel = full->kept_hook;
      full->cancel_arg = full->kept_arg;
      return OB_ECANCELED;
    }
    /* Release: the hook, to the loop that finds HOOKED. */
  } while (!ob__cas_weak_acq_rel(&request->state, &old, old | OB__HOOKED));
  full->retry.fire = pause_is_over;
  full->retry.due_ns = after_ns;
  ob__wheel_add_fresh(&engine->wheel, &full->retry);
  return OB_OK;
}

uint32_t ob_request_attempt(const ob_request *request) {
  if (request == NULL) return 0;
  if (!(request->flags & OB__FLAG_FULL)) return 1;
  return (uint32_t)((const ob__full *)request)->attempts + 1;
}
