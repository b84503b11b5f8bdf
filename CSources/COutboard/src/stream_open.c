/* Streams: opening, and the producer's hooks.
 *
 * A stream is a call whose handler answers when its producer ends: so the queue
 * limit, the pool, the deadline, cancellation, stop and its report treat it as
 * they treat any call. Of a stream without start the call only holds the place:
 * a stop does not wait for a producer that it knows nothing of, but answers in
 * its place.
 *
 *   open -> queued -> run_start -> ... ob_emitter_end -> ob_complete
 *             |           |  cancelled(): release, deadline, stop
 *             +-----------+-> ended(): on_done of the call
 *                             gone():  its destroy */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

#define STREAM_FLAGS \
  (OB_CALL_OFFLOAD | OB_CALL_NOWAIT | OB_CALL_BORROW | OB_STREAM_LATEST)

/* --- On the loop ------------------------------------------------------------
 */

static void tell(ob_stream *stream, ob_producer hook) {
  OB__CALL_OUT(hook(ob__emitter_of(stream), stream->opts.input,
                    stream->opts.input_size, stream->opts.user));
}

static int is_over(ob_stream *stream) {
  int over;
  ob__lock_take(&stream->lock);
  over = (stream->flow.state & OB__FLOW_OVER) != 0;
  ob__lock_give(&stream->lock);
  return over;
}

static void run_room(ob_node *node, int status) {
  ob_stream *stream =
      (ob_stream *)((char *)node - offsetof(struct ob_stream, room_node));
  int wanted;
  (void)status;
  ob__lock_take(&stream->lock);
  stream->room_queued = 0;
  /* Of one that was cancelled, on_cancel has told. */
  wanted = !(stream->flow.state & OB__FLOW_OVER) && !stream->told;
  ob__lock_give(&stream->lock);
  if (wanted) tell(stream, stream->opts.on_room);
  ob__stream_unref(stream);
}

static void run_ready(ob_node *node, int status) {
  ob_stream *stream =
      (ob_stream *)((char *)node - offsetof(struct ob_stream, ready_node));
  int left;
  (void)status;
#ifndef OB_BREAK_OPENED
  /* The callback may release a stream: not one whose opener does not have it
   * yet. Soon; others come first, and a queue that is not empty is not closed.
   */
  if (!ob__load_acquire(&stream->opened)) {
    ob__push_exempt(ob__stream_engine(stream), node);
    return;
  }
#endif
  ob__lock_take(&stream->lock);
  stream->ready_queued = 0;
  left = (stream->flow.state & OB__FLOW_LEFT) != 0;
  ob__lock_give(&stream->lock);
  if (!left)
    OB__CALL_OUT(stream->opts.on_ready(stream, stream->opts.ready_user));
  ob__stream_unref(stream);
}

void ob__stream_answer(ob_request *request, int status) {
  if (request != NULL) ob_complete(request, status, ob_result_none());
}

/* Ends the stream for the consumer and tells the producer, once. A producer
 * that waits for room and has no on_cancel hears by on_room. */
static void cut_off(ob_stream *stream, int status) {
  ob_request *request;
  uint32_t todo;
  int wants_room, has_producer;
  ob__lock_take(&stream->lock);
  ob__flow_close(&stream->flow, status, &todo);
  todo = ob__stream_apply(stream, todo);
  wants_room =
      stream->room_queued || (stream->flow.state & OB__FLOW_WANTS_ROOM) != 0;
  has_producer = stream->started && !stream->told;
  stream->told = 1;
  ob__lock_give(&stream->lock);
  ob__stream_perform(stream, todo);
  if (has_producer && stream->opts.on_cancel != NULL && !is_over(stream))
    tell(stream, stream->opts.on_cancel);
  if (has_producer && stream->opts.on_room != NULL && wants_room &&
      !is_over(stream))
    tell(stream, stream->opts.on_room);
  if (stream->opts.start != NULL) return; /* it answers by its end */
  ob__lock_take(&stream->lock);
  request = stream->request;
  stream->request = NULL;
  ob__lock_give(&stream->lock);
  ob__stream_answer(request, status);
}

/* Why a request that runs is cancelled. */
static int why(ob_stream *stream, const ob_request *request) {
  uint32_t state = ob__load_acquire(&request->state);
  int left;
  if (state & OB__DONE) return ob__request_status(request, state);
  ob__lock_take(&stream->lock);
  left = (stream->flow.state & OB__FLOW_LEFT) != 0;
  ob__lock_give(&stream->lock);
  return left ? OB_ECANCELED : OB_ESHUTDOWN;
}

/* The request's cancel hook. */
static void cancelled(ob_request *request, void *arg) {
  ob_stream *stream = arg;
  ob__stream_ref(stream);
  cut_off(stream, why(stream, request));
  ob__stream_unref(stream);
}

/* The request's on_done: by its producer's answer, or early, when it may never
 * have begun. */
static void ended(int status, ob_result *result, void *arg) {
  ob_stream *stream = arg;
  (void)result;
  cut_off(stream, status);
}

/* The request's destroy. */
static void gone(void *input, size_t size, void *user) {
  ob_stream *stream = input;
  (void)size;
  (void)user;
  if (stream->opts.destroy != NULL)
    OB__CALL_OUT(stream->opts.destroy(
        stream->opts.input, stream->opts.input_size, stream->opts.user));
  ob__stream_unref(stream);
}

/* The request's handler: on the loop, or on the pool. */
static void run_start(ob_request *request, void *input, size_t size,
                      void *user) {
  ob_stream *stream = input;
  int rc, over, status;
  (void)size;
  (void)user;
  ob__stream_ref(stream); /* an emitter is valid until start returns */
  rc = ob_request_on_cancel(request, cancelled, stream);
  ob__lock_take(&stream->lock);
  over = (stream->flow.state & (OB__FLOW_OVER | OB__FLOW_CANCEL)) != 0;
  status = stream->flow.status;
  if (rc == OB_OK && !over) {
    stream->request = request;
    stream->started = 1; /* a cancellation from here on is told */
  }
  ob__lock_give(&stream->lock);
  if (over)
    ob__stream_answer(request, status); /* ended before it began */
  else if (rc != OB_OK)
    ob__stream_answer(request, why(stream, request)); /* ended() sees to it */
  else if (stream->opts.start != NULL)
    tell(stream, stream->opts.start);
  ob__stream_unref(stream);
}

/* --- Opening ----------------------------------------------------------------
 */

static int bad(const char *what) {
  return ob__fail(OB_EINVAL, "ob_stream_open: %s", what);
}

static int check(ob_stream **out, ob_emitter **emitter,
                 const ob_stream_opts *opts) {
  if (out == NULL) return bad("out is NULL");
  if (opts == NULL) return bad("opts is NULL");
  if (opts->size != sizeof *opts)
    return bad("opts.size is wrong; begin with OB_STREAM_OPTS_INIT");
  if (opts->capacity == 0 || opts->capacity > OB_STREAM_CAPACITY_MAX)
    return bad("opts.capacity must be 1 to OB_STREAM_CAPACITY_MAX");
  if (opts->flags & ~(uint32_t)STREAM_FLAGS)
    return bad("opts.flags has unknown bits");
  if (opts->start == NULL && emitter == NULL)
    return bad("nobody produces: set opts.start, or pass emitter");
  if (opts->start != NULL && emitter != NULL)
    return bad("two would produce: opts.start is set, and emitter is not NULL");
  if (opts->start == NULL && (opts->flags & OB_CALL_OFFLOAD))
    return bad("OB_CALL_OFFLOAD needs opts.start");
  if (opts->input == NULL && opts->input_size != 0)
    return bad("opts.input is NULL but input_size is not 0");
  return OB_OK;
}

/* The face is always running, and no request ever frees it. */
static void make_face(ob_stream *stream, ob_engine *engine) {
  ob__full *face = &stream->face;
  memset(face, 0, sizeof *face);
  ob__lock_init(&face->lock);
  face->base.engine = engine;
  face->base.flags = OB__FLAG_FULL | OB__FLAG_STREAM;
  face->base.state = OB__RUNNING;
  face->base.name = stream->opts.name;
  face->base.result = ob_result_none();
  face->refs = 1u << 30; /* a mistaken release is harmless */
  face->fork_word = engine->fork_word;
  face->deadline = OB_FOREVER;
  face->done.on_done = ended; /* it has no result to take */
}

static ob_stream *make(ob_engine *engine, const ob_stream_opts *opts) {
  size_t ring = opts->capacity * sizeof(ob_result);
  int copies = opts->input_size > 0 && opts->destroy == NULL &&
               !(opts->flags & OB_CALL_BORROW);
  size_t size = sizeof(ob_stream) + ring, copied = opts->input_size;
  void *memory = NULL;
  ob_stream *stream;
  if (copies && copied > SIZE_MAX - size - 64) return NULL;
  if (posix_memalign(&memory, 64, size + (copies ? copied : 0)) != 0)
    return NULL;
  stream = memory;
  memset(stream, 0, sizeof *stream);
  stream->opts = *opts;
  make_face(stream, engine);
  ob__lock_init(&stream->lock);
  ob__flow_init(&stream->flow, stream->ring, opts->capacity,
                opts->flags & OB_STREAM_LATEST ? OB__FLOW_LATEST : 0);
  stream->room_node.run = run_room;
  stream->ready_node.run = run_ready;
  if (copies)
    stream->opts.input = memcpy((char *)memory + size, opts->input, copied);
  return stream;
}

int ob_stream_open(ob_stream **out, ob_emitter **emitter, ob_engine *engine,
                   const ob_stream_opts *opts) {
  ob_call_opts call = OB_CALL_OPTS_INIT;
  ob_stream *stream;
  int rc;
  if (out != NULL) *out = NULL;
  if (emitter != NULL) *emitter = NULL;
  rc = check(out, emitter, opts);
  if (rc == OB_OK) rc = ob__enter(engine);
  if (rc != OB_OK) return rc;
  stream = make(engine, opts);
  if (stream == NULL)
    return ob__fail(OB_ENOMEM, "ob_stream_open: no memory for %u items",
                    opts->capacity);
  stream->started = emitter != NULL;
  stream->refs = emitter != NULL ? 3 : 2; /* ours, the request's, its */
  call.name = opts->name;
  call.handler = run_start;
  call.input = stream;
  call.destroy = gone;
  call.deadline_ns = opts->deadline_ns;
  call.flags = opts->flags & (OB_CALL_OFFLOAD | OB_CALL_NOWAIT);
  call.on_done = ended;
  call.done_user = stream;
  rc = ob_submit(&stream->ticket, engine, &call);
  if (rc != OB_OK) {
    free(stream);
    return rc;
  }
  if (emitter != NULL) *emitter = ob__emitter_of(stream);
  *out = stream;
  /* Release: the handles and the ticket, to run_ready. */
  ob__store_release(&stream->opened, 1);
  return OB_OK;
}
