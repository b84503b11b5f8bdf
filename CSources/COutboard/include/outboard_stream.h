/* Outboard: streams, calls that answer with many values. Included by
 * outboard.h. */
#ifndef OUTBOARD_STREAM_H
#define OUTBOARD_STREAM_H

#include "outboard_call.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A bounded queue of results between a producer and a consumer, with a status
 * at its end. The producer is a handler, or any thread that is given the
 * emitter; the consumer a blocked thread, a callback on the loop, or both.
 *
 * Every item is delivered once or destroyed once. A full stream holds its
 * producer up without blocking the loop (OB_EAGAIN, then on_room); a consumer
 * that leaves cancels its producer; the end comes after the last item. */

/* The consumer's end. */
typedef struct ob_stream ob_stream;

/* The producer's end. Valid until it is ended by ob_emitter_end; in a start
 * function that is running, until that returns. */
typedef struct ob_emitter ob_emitter;

/* A producer's function: start, on_room, on_cancel. One may serve as start and
 * as on_room: emit until OB_EAGAIN and return. Must lead to exactly one
 * ob_emitter_end, at once or later, from any thread. Must not throw. */
typedef void (*ob_producer)(ob_emitter *emitter, void *input, size_t input_size,
                            void *user);

/* Runs on the loop thread when an item or the end has come since the stream was
 * last found empty (OB_EAGAIN): take by ob_stream_try_next until OB_EAGAIN or
 * OB_EEND. May release the stream. Never runs inside an emit, nor begins after
 * a release on the loop thread; after one on another thread it may be under
 * way. */
typedef void (*ob_stream_ready)(ob_stream *stream, void *ready_user);

enum ob_stream_flags {
  /* A full stream drops its oldest item in place of OB_EAGAIN: for progress,
   * where only the newest counts. */
  OB_STREAM_LATEST = 1u << 8,
};

#define OB_STREAM_CAPACITY_MAX (1u << 20)

typedef struct ob_stream_opts {
  size_t size;       /* sizeof(ob_stream_opts) */
  const char *name;  /* for error texts; must outlive the stream; or NULL */
  uint32_t capacity; /* items; 1 to OB_STREAM_CAPACITY_MAX */
  uint32_t flags;    /* OB_CALL_OFFLOAD (start runs on the pool and may block),
                        OB_CALL_NOWAIT, OB_CALL_BORROW, OB_STREAM_LATEST */
  /* Runs once, on the loop or the pool. NULL when the opener is the producer.
   */
  ob_producer start;
  /* Runs on the loop after an emit, or a wait, found no room: half of the
   * stream is free again, or it was cancelled. May come without need. Or NULL.
   */
  ob_producer on_room;
  /* Runs on the loop, once, when the consumer has left, the deadline has come
   * or the engine stops before the producer has ended. It still ends. Or NULL:
   * on_room or the next emit tells. */
  ob_producer on_cancel;
  void *input;       /* for the three; copied, or handed over with destroy */
  size_t input_size; /* bytes */
  void *user;        /* for the three and for destroy */
  /* destroy(input, input_size, user), or NULL: exactly once, on the loop, after
   * the producer has ended; user is not used after it. */
  ob_destroy destroy;
  uint64_t deadline_ns; /* of the whole stream; relative; OB_FOREVER for none */
  ob_stream_ready on_ready; /* or NULL */
  void *ready_user;         /* for on_ready */
  /* ready_destroy(ready_user), or NULL: exactly once, on any thread, after the
   * release, when on_ready does not run and will not again. */
  void (*ready_destroy)(void *ready_user);
} ob_stream_opts;

#define OB_STREAM_OPTS_INIT \
  {sizeof(ob_stream_opts),  \
   NULL,                    \
   16,                      \
   0,                       \
   NULL,                    \
   NULL,                    \
   NULL,                    \
   NULL,                    \
   0,                       \
   NULL,                    \
   NULL,                    \
   OB_FOREVER,              \
   NULL,                    \
   NULL,                    \
   NULL}

/* Opens a stream; the caller owns *out. With emitter NULL, opts.start produces;
 * else opts.start is NULL, and the caller, or whom it gives *emitter to, does,
 * at once. Counts as one queued call until start has begun. Any thread.
 *
 * OB_EINVAL     a pointer missing, or an option out of range (detail names it)
 * OB_ENOMEM     no memory
 * OB_EAGAIN     queue full and OB_CALL_NOWAIT
 * OB_ETIMEDOUT  the deadline came while waiting for room in the queue
 * OB_EDEADLK    queue full, on the loop thread
 * OB_ESHUTDOWN, OB_EFORKED, OB_EBROKEN
 *
 * On failure nothing was transferred: no function runs, the input is yours. */
OB_API int ob_stream_open(ob_stream **out, ob_emitter **emitter,
                          ob_engine *engine, const ob_stream_opts *opts);

/* --- Producing ------------------------------------------------------------ */

/* Puts an item in. Any thread, never blocks.
 *
 * OB_OK         *item was moved in, and emptied
 * OB_EAGAIN     full; on_room will be called
 * OB_ECANCELED  the consumer has left, the deadline has come or the engine
 *               stops: end the stream
 * OB_EALREADY   it was ended before
 * OB_ENOMEM     *item is what ob_result_copy could not allocate
 * OB_EFORKED    in a fork child
 * OB_EINVAL     a pointer is NULL
 *
 * After every error *item is still yours. */
OB_API int ob_emitter_emit(ob_emitter *emitter, ob_result *item);

/* Blocks until an emit would not find the stream full: half of it is free, or
 * it was cancelled (the emit tells). Several may wait; another may then be
 * first. Not for a loop thread, which OB_EDEADLK sends to on_room.
 *
 * OB_OK, OB_ETIMEDOUT, OB_EDEADLK (full, on a loop thread), OB_EALREADY (it
 * was ended before), OB_ENOMEM (no memory for this thread's record),
 * OB_EFORKED, OB_EINVAL */
OB_API int ob_emitter_wait(ob_emitter *emitter, uint64_t deadline_ns);

/* Ends the stream with a status (0, an OB_E*, or any number of your own), which
 * the consumer gets after the last item. Any thread, exactly once. The emitter
 * is invalid from here on; while the consumer holds the stream, a second end is
 * still told.
 *
 * OB_OK         the consumer will get the status
 * OB_ECANCELED  it will not: it has left, or the stream had ended already by
 *               its deadline or by the engine's stop
 * OB_EALREADY   it was ended before
 * OB_EFORKED, OB_EINVAL */
OB_API int ob_emitter_end(ob_emitter *emitter, int status);

/* 1 when its items are no longer wanted, else 0; 0 for NULL. Any thread, before
 * the end. */
OB_API int ob_emitter_cancelled(ob_emitter *emitter);

/* --- Consuming ------------------------------------------------------------ */

/* Takes the oldest item, waiting for it. Several threads may; each item goes to
 * one of them.
 *
 * OB_OK         *out is an item: ob_result_free
 * OB_EEND       all items were taken; *status (may be NULL) is the producer's,
 *               OB_ETIMEDOUT after the stream's deadline, OB_ESHUTDOWN after
 *               the engine's stop; OB_EAGAIN or OB_ESYSTEM when the pool had no
 *               place for start. Again and again.
 * OB_ETIMEDOUT  nothing came in time; the stream goes on
 * OB_EDEADLK    empty, and this is its loop thread (ob_stream_try_next with
 *               on_ready), or a cycle of loops
 * OB_ENOMEM     no memory for this thread's record
 * OB_EFORKED    in a fork child: the stream is the parent's
 * OB_EINVAL     stream or out is NULL
 *
 * Unless OB_OK, *out is empty. */
OB_API int ob_stream_next(ob_stream *stream, uint64_t deadline_ns,
                          ob_result *out, int *status);

/* The same without waiting: OB_EAGAIN when it is empty and has not ended. */
OB_API int ob_stream_try_next(ob_stream *stream, ob_result *out, int *status);

/* The stream as a ticket, for ob_wait_any and ob_wait_all, beside those of
 * calls: it counts as ended while an item waits, and once the stream has ended.
 * Valid as long as the stream, and not to be released; ob_ticket_cancel refuses
 * it. NULL for NULL. */
OB_API ob_ticket *ob_stream_ticket(ob_stream *stream);

/* Gives the stream up: items left in it are destroyed here, and a producer that
 * has not ended is cancelled. Nobody may be waiting for it. Any thread, never
 * blocks. In a fork child it does nothing. NULL is allowed. */
OB_API void ob_stream_release(ob_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
