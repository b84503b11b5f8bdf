/* Streams: the two ends.
 *
 * A step of the flow (flow.h) is taken under the stream's lock. What it changes
 * for others is made known there too: the DONE bit of the face, which
 * ob_wait_any and ob_wait_all look at like at any ticket's, and the nodes that
 * take on_room and on_ready to the loop. Waking and pushing come after the
 * lock. A lock-free ring was left out: the ends would need the lock at the
 * transitions all the same, and an item costs its consumer far more than an
 * uncontended lock (20 ns). */
#include <stdlib.h>

#include "stream.h"

/* Of what ob__stream_apply leaves to do. */
#define REST_WAKE 1u
#define REST_ROOM 2u
#define REST_READY 4u

int ob__stream_check(const ob_stream *stream, const char *function) {
#ifndef OB_BREAK_FORK
  if (OB_UNLIKELY(stream->face.fork_word != ob__fork_word()))
    return ob__fail(OB_EFORKED, "%s: the stream belongs to the parent process",
                    function);
#else
  (void)stream;
  (void)function;
#endif
  return OB_OK;
}

void ob__stream_ref(ob_stream *stream) {
  ob__add_relaxed(&stream->refs, 1u);
}

void ob__stream_unref(ob_stream *stream) {
  /* Acquire and release: every owner's writes come before the free. */
  if (ob__sub_acq_rel(&stream->refs, 1u) != 1) return;
  if (stream->opts.ready_destroy != NULL)
    OB__CALL_OUT(stream->opts.ready_destroy(stream->opts.ready_user));
  free(stream);
}

/* Queues a node of the stream's, once; what is to be pushed after the lock. */
static uint32_t queue(ob_stream *stream, int wanted, int *queued,
                      uint32_t rest) {
  if (!wanted || *queued) return 0;
  *queued = 1;
  ob__stream_ref(stream); /* the node's */
  return rest;
}

uint32_t ob__stream_apply(ob_stream *stream, uint32_t todo) {
  ob_request *face = &stream->face.base;
  uint32_t rest = 0;
#ifndef OB_BREAK_QUIET
  if (todo & OB__TODO_QUIET) ob__and_acq_rel(&face->state, ~OB__DONE);
#endif
  /* Pairs with the OR in ob__waiter_add: one of the two sees the other. */
  if ((todo & OB__TODO_READY) &&
      (ob__or_acq_rel(&face->state, OB__DONE) & OB__WAITERS))
    rest |= REST_WAKE;
  if (todo & OB__TODO_TELL)
    rest |= queue(stream, stream->opts.on_ready != NULL, &stream->ready_queued,
                  REST_READY);
  if (todo & OB__TODO_ROOM) {
    ob__senders_wake(stream);
    /* To one that is cancelled on_cancel comes first. */
    if (!(stream->flow.state & (OB__FLOW_CANCEL | OB__FLOW_OVER)))
      rest |= queue(stream, stream->opts.on_room != NULL, &stream->room_queued,
                    REST_ROOM);
  }
  /* The producer has not answered yet, so the engine lives, and this keeps it
   * until the push: whoever ends the stream takes the lock first. */
  if (rest & (REST_ROOM | REST_READY))
    ob__add_relaxed(&ob__stream_engine(stream)->inside, 1u);
  return rest;
}

static void push(ob_stream *stream, ob_node *node) {
  /* Not refused while the producer has not answered; if it were, the end of the
   * engine has told both sides. */
  if (ob__push_exempt(ob__stream_engine(stream), node) != OB_OK)
    ob__stream_unref(stream);
}

void ob__stream_perform(ob_stream *stream, uint32_t rest) {
  if (rest & REST_WAKE) ob__wake_waiters(&stream->face.base);
  if (!(rest & (REST_ROOM | REST_READY))) return;
  if (rest & REST_ROOM) push(stream, &stream->room_node);
  if (rest & REST_READY) push(stream, &stream->ready_node);
  /* Release: pairs with the acquire in ob__engine_free. */
  ob__sub_acq_rel(&ob__stream_engine(stream)->inside, 1u);
}

/* --- Producing --------------------------------------------------------------
 */

int ob_emitter_emit(ob_emitter *emitter, ob_result *item) {
  ob_stream *stream = ob__stream_of(emitter);
  ob_result dropped = OB_RESULT_INIT;
  uint32_t todo;
  int rc;
  if (emitter == NULL || item == NULL)
    return ob__fail(OB_EINVAL, "ob_emitter_emit: %s is NULL",
                    emitter == NULL ? "emitter" : "item");
  rc = ob__stream_check(stream, "ob_emitter_emit");
  if (rc != OB_OK) return rc;
  if (ob__result_failed(item))
    return ob__fail(OB_ENOMEM, "ob_emitter_emit: the item has no memory");
  ob__lock_take(&stream->lock);
  rc = ob__flow_emit(&stream->flow, item, &dropped, &todo);
  todo = ob__stream_apply(stream, todo);
  ob__lock_give(&stream->lock);
  ob__stream_perform(stream, todo);
  ob_result_free(&dropped);
  if (rc == OB_EALREADY)
    return ob__fail(rc, "ob_emitter_emit: the stream was ended before");
  return rc;
}

int ob_emitter_end(ob_emitter *emitter, int status) {
  ob_stream *stream = ob__stream_of(emitter);
  ob_request *request = NULL;
  uint32_t todo;
  int rc, without_start;
  if (emitter == NULL)
    return ob__fail(OB_EINVAL, "ob_emitter_end: emitter is NULL");
  rc = ob__stream_check(stream, "ob_emitter_end");
  if (rc != OB_OK) return rc;
  without_start = stream->opts.start == NULL;
  ob__lock_take(&stream->lock);
  rc = ob__flow_end(&stream->flow, status, &todo);
  todo = ob__stream_apply(stream, todo);
  if (rc != OB_EALREADY) { /* not begun yet: it answers when it does */
    request = stream->request;
    stream->request = NULL;
  }
  ob__lock_give(&stream->lock);
  ob__stream_perform(stream, todo);
  if (rc == OB_EALREADY)
    return ob__fail(rc, "ob_emitter_end: the stream was ended before");
  ob__stream_answer(request, status);
  if (without_start) ob__stream_unref(stream);
  return rc;
}

int ob_emitter_cancelled(ob_emitter *emitter) {
  ob_stream *stream = ob__stream_of(emitter);
  int cancelled;
  if (emitter == NULL) return 0;
  if (ob__stream_check(stream, "ob_emitter_cancelled") != OB_OK) return 1;
  ob__lock_take(&stream->lock);
  cancelled = (stream->flow.state & OB__FLOW_CANCEL) != 0;
  ob__lock_give(&stream->lock);
  return cancelled;
}

/* --- Waiting for room -------------------------------------------------------
 */

void ob__senders_wake(ob_stream *stream) {
  ob__waiter *waiter;
  for (waiter = stream->senders; waiter != NULL; waiter = waiter->next)
    ob__unpark(waiter->parker);
}

static void sender_remove(ob_stream *stream, ob__waiter *waiter) {
  if (waiter->prev != NULL)
    waiter->prev->next = waiter->next;
  else
    stream->senders = waiter->next;
  if (waiter->next != NULL) waiter->next->prev = waiter->prev;
}

/* Under the lock, which it gives and takes again. A wake-up may be spurious, or
 * for room that another has filled: then room is wanted anew. */
static int wait_for_room(ob_stream *stream, ob__thread *self,
                         uint64_t deadline) {
  ob__waiter waiter = {stream->senders, NULL, &self->parker};
  int in_time = 1;
  if (waiter.next != NULL) waiter.next->prev = &waiter;
  stream->senders = &waiter;
  while (in_time && ob__flow_full(&stream->flow)) {
    stream->flow.state |= OB__FLOW_WANTS_ROOM;
    ob__lock_give(&stream->lock);
    ob__park(&self->parker, deadline);
    in_time = deadline == OB_FOREVER || ob__now() < deadline;
    ob__lock_take(&stream->lock);
  }
  sender_remove(stream, &waiter);
  return ob__flow_full(&stream->flow) ? OB_ETIMEDOUT : OB_OK;
}

static int wait_full(ob_stream *stream, uint64_t deadline) {
  ob__thread *self = ob__thread_self();
  int rc;
  if (self == NULL)
    return ob__fail(OB_ENOMEM, "ob_emitter_wait: no memory for this thread");
#ifndef OB_BREAK_NEST
  if (ob__loop_self() != NULL)
    return ob__fail(OB_EDEADLK,
                    "ob_emitter_wait on the loop thread of engine \"%s\" would "
                    "hold up the loop; return and go on in on_room",
                    ob__loop_self()->name);
#endif
  ob__block_begin(self);
  ob__lock_take(&stream->lock);
  rc = wait_for_room(stream, self, deadline);
  ob__lock_give(&stream->lock);
  ob__block_end(self);
  if (rc != OB_OK)
    return ob__fail(rc, "ob_emitter_wait: the stream is still full");
  return rc;
}

int ob_emitter_wait(ob_emitter *emitter, uint64_t deadline_ns) {
  ob_stream *stream = ob__stream_of(emitter);
  int rc, full, over;
  if (emitter == NULL)
    return ob__fail(OB_EINVAL, "ob_emitter_wait: emitter is NULL");
  rc = ob__stream_check(stream, "ob_emitter_wait");
  if (rc != OB_OK) return rc;
  ob__lock_take(&stream->lock);
  full = ob__flow_full(&stream->flow);
  over = (stream->flow.state & OB__FLOW_OVER) != 0;
  ob__lock_give(&stream->lock);
  if (over)
    return ob__fail(OB_EALREADY,
                    "ob_emitter_wait: the stream was ended before");
  return full ? wait_full(stream, ob__deadline(deadline_ns)) : OB_OK;
}

/* --- Consuming --------------------------------------------------------------
 */

static int take(ob_stream *stream, ob_result *out, int *status) {
  uint32_t todo;
  int rc;
  ob__lock_take(&stream->lock);
  rc = ob__flow_next(&stream->flow, out, status, &todo);
  todo = ob__stream_apply(stream, todo);
  ob__lock_give(&stream->lock);
  ob__stream_perform(stream, todo);
  return rc;
}

static int check_next(const ob_stream *stream, ob_result *out,
                      const char *function) {
  if (out != NULL) *out = ob_result_none();
  if (stream == NULL || out == NULL)
    return ob__fail(OB_EINVAL, "%s: %s is NULL", function,
                    stream == NULL ? "stream" : "out");
  return ob__stream_check(stream, function);
}

int ob_stream_try_next(ob_stream *stream, ob_result *out, int *status) {
  int rc = check_next(stream, out, "ob_stream_try_next");
  return rc == OB_OK ? take(stream, out, status) : rc;
}

static uint64_t remaining(uint64_t deadline) {
  uint64_t now;
  if (deadline == OB_FOREVER) return OB_FOREVER;
  now = ob__now();
  return now < deadline ? deadline - now : 0;
}

int ob_stream_next(ob_stream *stream, uint64_t deadline_ns, ob_result *out,
                   int *status) {
  uint64_t deadline = ob__deadline(deadline_ns);
  int rc = check_next(stream, out, "ob_stream_next");
  if (rc != OB_OK) return rc;
  for (;;) {
    rc = take(stream, out, status);
    if (rc != OB_EAGAIN) return rc;
    rc = ob__wait_ticket(ob_stream_ticket(stream), remaining(deadline));
    if (rc == OB_ETIMEDOUT)
      return ob__fail(rc, "ob_stream_next: nothing came in time");
    if (rc != OB_OK) return rc; /* the wait has said why */
  }
}

ob_ticket *ob_stream_ticket(ob_stream *stream) {
  return (ob_ticket *)stream;
}

/* A producer may be looking at how full it is. */
static int drain_one(ob_stream *stream, ob_result *item) {
  int any;
  ob__lock_take(&stream->lock);
  any = ob__flow_drain(&stream->flow, item);
  ob__lock_give(&stream->lock);
  return any;
}

void ob_stream_release(ob_stream *stream) {
  ob_result item;
  uint32_t todo;
  if (stream == NULL || ob__stream_check(stream, "ob_stream_release") != OB_OK)
    return;
  ob__lock_take(&stream->lock);
  ob__flow_leave(&stream->flow, &todo);
  todo = ob__stream_apply(stream, todo);
  ob__lock_give(&stream->lock);
  ob__stream_perform(stream, todo);
#ifndef OB_BREAK_DRAIN
  while (drain_one(stream, &item)) ob_result_free(&item);
#endif
  ob__end_early((ob_request *)stream->ticket, OB__END_CANCEL);
  ob_ticket_release(stream->ticket);
  ob__stream_unref(stream);
}
