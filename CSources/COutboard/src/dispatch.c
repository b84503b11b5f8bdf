/* Requests on the loop: runs their handlers, delivers their outcomes. */
#include "internal.h"

/* --- Handlers ---------------------------------------------------------------
 */

int ob__run_handler(ob_engine *engine, ob_request *request) {
  ob_request *outer = engine->current;
  int outer_answered = engine->current_answered, answered;
  ob_handler outer_handler = engine->current_handler;
  const char *outer_name = engine->current_name;
  engine->current = request;
  engine->current_answered = 0;
  ob__store_relaxed(&engine->current_name, request->name);
  ob__store_relaxed(&engine->current_handler, request->handler);
  OB__CALL_OUT(request->handler(request, request->input, request->input_size,
                                request->user));
  ob__exit_check(engine); /* neither its callback nor its destructor starts */
  answered = engine->current_answered;
  engine->current = outer;
  engine->current_answered = outer_answered;
  ob__store_relaxed(&engine->current_name, outer_name);
  ob__store_relaxed(&engine->current_handler, outer_handler);
  return answered;
}

/* The same of a full request, which may be measured. */
static int run_full(ob_engine *engine, ob_request *request) {
  int answered;
  if (OB_LIKELY(!(request->flags & OB__FLAG_LOOK)))
    return ob__run_handler(engine, request);
  ob__look_begin(engine, &ob__full_of(request)->look);
  answered = ob__run_handler(engine, request);
  ob__look_return(engine, &ob__full_of(request)->look);
  return answered;
}

static void must_answer(void) {
  ob__die("an OB_CALL_SYNC handler returned without ob_complete",
          "answer before returning, or call it without OB_CALL_SYNC");
}

void ob__bare_inline(ob_request *request) {
  if (!ob__run_handler(request->engine, request)) must_answer();
}

/* What its thread has posted before a call comes first. 0: in the next batch.
 */
static int caught_up(ob_engine *engine, ob_request *request) {
  ob__lane *lane = ob__bare_lane(request);
  engine->budget++; /* the work is the lane's, until it is our turn */
  if (!ob__lane_catch_up(lane, (uint64_t)ob__bare_tail(request))) {
    request->node.next = engine->ready;
    if (engine->ready == NULL) engine->ready_tail = &request->node;
    engine->ready = &request->node;
    return 0;
  }
  request->flags &= ~OB__FLAG_BEHIND;
  return 1;
}

void ob__bare_run(ob_node *node, int status) {
  ob_request *request = (ob_request *)node;
  ob_engine *engine = request->engine;
  ob__thread *caller;
  ob__lane *lane;
  uint32_t old;
  ob__look look;
  if (OB_UNLIKELY(request->flags & OB__FLAG_BEHIND) &&
      !caught_up(engine, request))
    return;
  caller = ob__bare_caller(request);
  lane = ob__bare_lane(request);
  look.weight = 0;
  if (OB_UNLIKELY(request->flags & OB__FLAG_LOOK))
    look = ob__bare_look(request);
  request->result = ob_result_none();
  engine->caller_cpu = request->caller_cpu;
  ob__note_caller(engine, lane);
  request->status = status;
  if (OB_UNLIKELY(look.weight != 0))
    ob__bare_measured(request, &look);
  else if (OB_LIKELY(status == OB_OK))
    ob__bare_inline(request);
  if (OB_UNLIKELY(status != OB_OK)) ob__count(&engine->n_cancelled, 1);
  ob__count(&engine->n_completed, 1);
  if (OB_UNLIKELY(engine->streak >= OB__BOX_AFTER) && engine->box_lane != lane)
    ob__box_open(engine, lane);
  /* The last touch: the caller's stack may be gone after it. Pairs with the
   * acquire load and the OR in wait.c. */
  old = ob__or_acq_rel(&request->state, OB__DONE);
  if (old & OB__WAITERS) ob__wake_later(engine, &caller->parker);
}

/* --- Full requests ----------------------------------------------------------
 */

void ob__running_link(ob_request *request) {
  ob_engine *engine = request->engine;
  ob__full *full = ob__full_of(request);
  ob__lock_take(&engine->running_lock);
  full->prev = NULL;
  full->next = engine->running;
  if (engine->running != NULL) ob__full_of(engine->running)->prev = request;
  engine->running = request;
  engine->running_count++;
  ob__lock_give(&engine->running_lock);
}

static void running_unlink(ob_request *request) {
  ob_engine *engine = request->engine;
  ob__full *full = ob__full_of(request);
  ob__lock_take(&engine->running_lock);
  if (full->prev != NULL)
    ob__full_of(full->prev)->next = full->next;
  else
    engine->running = full->next;
  if (full->next != NULL) ob__full_of(full->next)->prev = full->prev;
  engine->running_count--;
  ob__lock_give(&engine->running_lock);
}

static void end_look(const ob_request *request, int status) {
  const ob__look *look = &((const ob__full *)request)->look;
  ob_call_record who =
      ob__who(request->name, (uintptr_t)request->handler, status);
  ob__look_end(request->engine, look,
               request->flags & OB_CALL_SYNC ? look->returned : 0, &who);
}

/* Tells who is to be told on the loop that the request is DONE; once. */
static void deliver(ob_request *request) {
  ob__full *full = ob__full_of(request);
  ob_result result;
  int status;
  if (full->delivered) return;
  full->delivered = 1;
  status = ob__request_status(request, ob__load_acquire(&request->state));
  ob__count_outcome(request->engine, status);
  if (OB_UNLIKELY(request->flags & OB__FLAG_LOOK)) end_look(request, status);
  if (full->cq != NULL) {
    ob__cq_deliver(request);
  } else if (full->done.on_done != NULL) {
    ob__request_take(request, &result);
    OB__CALL_OUT(full->done.on_done(status, &result, full->done_user));
    ob_result_free(&result);
  }
}

/* The handler is through with it, or never had it. */
static void finish(ob_request *request) {
  ob__full *full = ob__full_of(request);
  deliver(request);
  if (full->destroy != NULL)
    OB__CALL_OUT(
        full->destroy(request->input, request->input_size, request->user));
  ob__request_unref(request);
}

static void expire(ob_timer *timer, int status) {
  ob__full *full =
      (ob__full *)((char *)timer - offsetof(struct ob__full, timer));
  if (status == OB_OK) ob__end_early(&full->base, OB__END_TIMEOUT);
}

static void arm(ob_engine *engine, ob_request *request) {
  ob__full *full = ob__full_of(request);
  if (full->deadline == OB_FOREVER || (request->flags & OB__FLAG_BLOCKED))
    return;
  full->timer.fire = expire;
  full->timer.due_ns = full->deadline;
  ob__wheel_add(&engine->wheel, &full->timer);
}

/* The handler has returned with its answer noted. */
static void finish_inline(ob_request *request) {
  uint32_t old;
  if (ob__load_acquire(&ob__full_of(request)->refs) == 1 &&
      (request->flags & OB_CALL_SYNC)) { /* nobody else looks */
    old = ob__load_acquire(&request->state);
    ob__store_relaxed(&request->state, old | OB__ANSWERED | OB__DONE);
  } else {
    old = ob__or_acq_rel(&request->state, OB__ANSWERED | OB__DONE);
  }
  if (old & OB__DONE)
    ob_result_free(&request->result);
  else if (old & OB__WAITERS)
    ob__wake_waiters(request);
  /* A cancel in the meantime has queued the node: clean up when it comes. */
  if (old & OB__NODE) {
    ob__full_of(request)->started = 0; /* nothing runs, for stop's report */
    ob__running_link(request);
    return;
  }
  finish(request);
}

/* Takes the request from QUEUED to RUNNING or POOLED. 0 if it has ended. */
static int begin(ob_request *request, int status) {
  ob__full *full = ob__full_of(request);
  uint32_t next = request->flags & OB_CALL_OFFLOAD ? OB__POOLED : OB__RUNNING;
  uint32_t old = ob__load_acquire(&request->state);
  if (status != OB_OK)
    ob__end_early(request,
                  status == OB_EBROKEN ? OB__END_BROKEN : OB__END_SHUTDOWN);
#ifndef OB_BREAK_EXPIRED
  else if (full->deadline != OB_FOREVER && ob__now() >= full->deadline)
    ob__end_early(request, OB__END_TIMEOUT);
#endif
  (void)full;
  do {
#ifndef OB_BREAK_CANCEL
    if (old & OB__DONE) return 0;
#endif
  } while (!ob__cas_weak_acq_rel(&request->state, &old, old | next));
  return 1;
}

/* It is not queued any more: room for its producer. */
static void leave_list(ob__full *full) {
  if (full->base.flags & OB__FLAG_LISTED)
    ob__store_release(&full->lane->unlisted, full->lane->unlisted + 1);
}

/* Where the caller is, for the spinning. */
static void note_caller(const ob_request *request) {
  ob_engine *engine = request->engine;
  engine->caller_cpu = request->caller_cpu;
  if (request->flags & OB__FLAG_BLOCKED)
    ob__note_caller(engine, ob__full_of((ob_request *)request)->lane);
}

static void first_time(ob_request *request, int status) {
  ob_engine *engine = request->engine;
  ob__full *full = ob__full_of(request);
  leave_list(full);
  if (!begin(request, status)) {
    finish(request);
    return;
  }
  note_caller(request);
  full->started = full->deadline != OB_FOREVER ? ob__now() : 0;
  if (request->flags & OB_CALL_OFFLOAD) {
    int rc;
    arm(engine, request);
    ob__running_link(request);
    rc = ob__offload_push(engine, request);
    if (rc != OB_OK) {
      ob__or_acq_rel(&request->state, OB__ANSWERED); /* no handler will */
      ob__end_early(request,
                    rc == OB_EAGAIN ? OB__END_NOROOM : OB__END_NOTHREAD);
    }
  } else if (run_full(engine, request)) {
    finish_inline(request);
  } else if (request->flags & OB_CALL_SYNC) {
    must_answer();
  } else {
    /* Only the loop unlinks, so a completion from elsewhere may already be
     * queued: it finds the request linked. */
    arm(engine, request);
    ob__running_link(request);
  }
}

/* The node came again: cancelled, ended or answered in the meantime. */
static void again(ob_request *request, uint32_t state) {
  ob_engine *engine = request->engine;
  ob__full *full = ob__full_of(request);
  int gone = (state & OB__ANSWERED) && (state & OB__DONE);
  if ((state & OB__CANCEL) && (state & OB__HOOKED) && !gone &&
      full->on_cancel != NULL) {
    ob_cancel_hook hook = full->on_cancel;
    full->on_cancel = NULL;
    OB__CALL_OUT(hook(request, full->cancel_arg));
  }
  /* Ended while it waited for a pool thread, and nobody has taken it there. */
  if ((state & OB__DONE) && (state & OB__POOLED) && !(state & OB__RUNNING) &&
      !gone)
    gone = ob__offload_remove(engine, request);
  if (state & OB__DONE) deliver(request);
  if (!gone) return;
  ob__wheel_remove(&engine->wheel, &full->timer);
#ifndef OB_BREAK_PAUSE
  ob__wheel_remove(&engine->wheel, &full->retry);
#endif
  running_unlink(request);
  finish(request);
}

/* The usual case in fewer steps: nothing but queued, answered at once. 0: it is
 * not that case. */
static int run_at_once(ob_request *request, int status) {
  ob_engine *engine = request->engine;
  ob__full *full = ob__full_of(request);
  uint32_t seen = OB__NODE;
  if (status != OB_OK || full->deadline != OB_FOREVER ||
      (request->flags & (OB_CALL_SYNC | OB_CALL_OFFLOAD)) != OB_CALL_SYNC ||
      !ob__cas_acq_rel(&request->state, &seen, OB__RUNNING))
    return 0;
  leave_list(full);
  note_caller(request);
  if (!run_full(engine, request)) must_answer();
  finish_inline(request);
  return 1;
}

void ob__request_run(ob_node *node, int status) {
  ob_request *request = (ob_request *)node;
  uint32_t old;
  if (run_at_once(request, status)) return;
  /* Before the rest of the word is looked at: who sets a bit after this pushes
   * the node again. */
  old = ob__and_acq_rel(&request->state, ~OB__NODE);
#ifdef OB_BREAK_AGAIN /* looks anew: who completed meanwhile pushes, too */
  if (old & (OB__RUNNING | OB__POOLED)) {
    for (int i = 0; i < 100; i++) ob__pause(); /* a window, made wider */
    old = ob__load_acquire(&request->state);
  }
#endif
  if (old & (OB__RUNNING | OB__POOLED))
    again(request, old);
  else
    first_time(request, status);
}

void ob__request_entry(void *request, int status) {
  ob__request_run((ob_node *)request, status);
}
