/* What the files of streams share. */
#ifndef OB_STREAM_H
#define OB_STREAM_H

#include "flow.h"
#include "internal.h"

/* One block: this, the ring, a copied input. An ob_emitter is the same under
 * another name.
 *
 * References: the consumer's; the request's, until it is destroyed; of a stream
 * without start, the emitter's; one for each queued node. */
struct ob_stream {
  /* What waits see: a request that is never run, DONE while the stream is ready
   * (set and cleared under lock). First: a stream is a ticket. */
  ob__full face;
  uint32_t refs; /* atomic */
  ob__lock lock;
  ob__flow flow;       /* lock */
  ob__waiter *senders; /* lock: threads in ob_emitter_wait */
  ob_request *request; /* lock: once start has begun; NULL once answered */
  int room_queued;     /* lock: room_node is in a queue */
  int ready_queued;    /* lock */
  int started;         /* lock: there is a producer that may be told */
  int told;            /* lock: it has heard of its cancellation */
  int opened;          /* atomic: ob_stream_open is through with it */
  ob_ticket *ticket;   /* consumer: of the request */
  ob_node room_node, ready_node;
  ob_stream_opts opts; /* as given; input points to the copy, if there is one */
  ob_result ring[];
};

static inline ob_engine *ob__stream_engine(const ob_stream *stream) {
  return stream->face.base.engine;
}
static inline ob_stream *ob__stream_of(ob_emitter *emitter) {
  return (ob_stream *)emitter;
}
static inline ob_emitter *ob__emitter_of(ob_stream *stream) {
  return (ob_emitter *)stream;
}

/* 0, or OB_EFORKED: its lock may be held for ever in a child. */
int ob__stream_check(const ob_stream *stream, const char *function);
void ob__stream_ref(ob_stream *stream);
void ob__stream_unref(ob_stream *stream);
/* Does what a step wants done: under the lock what changes together with the
 * flow, and the rest without it. */
uint32_t ob__stream_apply(ob_stream *stream, uint32_t todo);
void ob__stream_perform(ob_stream *stream, uint32_t rest);
/* Wakes the threads that wait for room. Under the lock. */
void ob__senders_wake(ob_stream *stream);

/* Answers the request, unless it is NULL: who took it out of the stream does.
 */
void ob__stream_answer(ob_request *request, int status);

#endif
