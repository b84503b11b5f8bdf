/* Requests that the loop alone knows: those that travelled in a lane, and how a
 * measured one of these, or of a blocked caller's, is run. */
#include <string.h>

#include "internal.h"

void ob__count_outcome(ob_engine *engine, int status) {
  ob__count(&engine->n_completed, 1);
  if (status == OB_ETIMEDOUT)
    ob__count(&engine->n_timed_out, 1);
  else if (status == OB_ECANCELED || status == OB_ESHUTDOWN)
    ob__count(&engine->n_cancelled, 1);
}

ob__look ob__bare_look(const ob_request *request) {
  ob__look look = {.weight = ob__bare_weight(request)};
  memcpy(&look.enqueued, ob__bare_time(request), sizeof look.enqueued);
  return look;
}

void ob__bare_measured(ob_request *request, ob__look *look) {
  ob_engine *engine = request->engine;
  ob_call_record who;
  if (request->status == OB_OK) {
    ob__look_begin(engine, look);
    ob__bare_inline(request);
    ob__look_return(engine, look);
  }
  who = ob__who(request->name, (uintptr_t)request->handler, request->status);
  ob__look_end(engine, look, look->returned, &who);
}

void ob__item_run(ob_engine *engine, const ob__call_item *item, void *input,
                  ob__look *look) {
  ob_request request;
  ob__bare_init(&request, engine);
  request.flags = OB_CALL_SYNC;
  request.handler = item->handler;
  request.input = input;
  request.input_size = item->input_size;
  request.user = item->user;
  request.name = item->name;
  request.status = (int)engine->drain_status;
  if (OB_UNLIKELY(look != NULL))
    ob__bare_measured(&request, look);
  else if (OB_LIKELY(request.status == OB_OK))
    ob__bare_inline(&request);
  ob__count_outcome(engine, request.status);
  if (item->on_done != NULL)
    OB__CALL_OUT(
        item->on_done(request.status, &request.result, item->done_user));
  ob_result_free(&request.result);
}
