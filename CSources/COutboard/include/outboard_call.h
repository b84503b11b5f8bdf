/* Outboard: calls, tickets, posts, results. Included by outboard.h. */
#ifndef OUTBOARD_CALL_H
#define OUTBOARD_CALL_H

#include "outboard_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Results --------------------------------------------------------------
 * A value of bytes with its owner. Up to OB_RESULT_INLINE bytes live in the
 * struct itself. It may be copied as a struct as long as one copy only is
 * freed. */

#define OB_RESULT_INLINE 32

typedef void (*ob_destroy)(void *data, size_t size, void *user);

typedef struct ob_result {
  union {
    unsigned char bytes[OB_RESULT_INLINE];
    struct {
      void *data;         /* borrowed or owned */
      ob_destroy destroy; /* NULL: borrowed */
      void *user;         /* for destroy */
    } ref;
  } u;
  size_t size;      /* bytes */
  uint32_t kind;    /* private */
  int32_t reserved; /* 0 */
} ob_result;

#define OB_RESULT_INIT {{{0}}, 0, 0, 0}

/* An empty result. */
OB_API ob_result ob_result_none(void);

/* A copy of size bytes. Above OB_RESULT_INLINE it allocates; when that fails
 * the result carries OB_ENOMEM and ob_complete turns it into that status. */
OB_API ob_result ob_result_copy(const void *data, size_t size);

/* Bytes that the caller of the handler may read until it frees the result, and
 * that their owner keeps alive so long (static data, say). */
OB_API ob_result ob_result_borrow(const void *data, size_t size);

/* Hands data over: destroy(data, size, user) is called exactly once, on the
 * thread that frees the result. */
OB_API ob_result ob_result_own(void *data, size_t size, ob_destroy destroy,
                               void *user);

/* The bytes of a result, valid as long as the result itself; NULL if empty. */
OB_API const void *ob_result_data(const ob_result *result);

/* Frees what the result owns and empties it. NULL and empty are allowed. */
OB_API void ob_result_free(ob_result *result);

/* --- Handlers ------------------------------------------------------------- */

/* One call, as its handler sees it. Valid until the handler has answered by
 * ob_complete and returned; its input until the answer. */
typedef struct ob_request ob_request;

/* Runs on the loop thread, or on a pool thread with OB_CALL_OFFLOAD. Must lead
 * to exactly one ob_complete, before it returns or later. Must not throw. */
typedef void (*ob_handler)(ob_request *request, void *input, size_t input_size,
                           void *user);

/* Runs on the loop thread, once, when a running call is cancelled, timed out
 * or shut down before it was answered. The handler still answers; if it may do
 * so on another thread meanwhile, leave its input alone here. */
typedef void (*ob_cancel_hook)(ob_request *request, void *arg);

/* Answers a request with a status (0, an OB_E*, or any number of your own)
 * and a result, which now belongs to Outboard. Any thread. An answer made
 * inside a handler on the loop is delivered when the handler returns, every
 * other one at once.
 *
 * OB_OK        delivered
 * OB_ECANCELED the call had ended already (deadline, cancel, shutdown): the
 *              result was destroyed; the request is invalid
 * OB_EALREADY  this request was answered before: nothing was taken
 * OB_EPERM     an OB_CALL_SYNC request answered on another thread
 * OB_EFORKED   in a fork child: the result was destroyed
 * OB_EINVAL    request is NULL */
OB_API int ob_complete(ob_request *request, int status, ob_result result);

/* Asks for hook(request, arg) on cancellation. Loop or pool thread, before
 * answering. OB_ECANCELED when the call is cancelled already: the hook will
 * not run. OB_EALREADY when answered, or a hook was set. OB_EINVAL, also for
 * an OB_CALL_SYNC request, which nothing can cancel while it runs. */
OB_API int ob_request_on_cancel(ob_request *request, ob_cancel_hook hook,
                                void *arg);

/* In place of an answer: runs the handler again after so many ns, for a retry
 * after a pause. From the handler itself, before it returns; it must not answer
 * then. The deadline, a cancel and a stop end the call during the pause, at
 * once; an answer from elsewhere does, too. A hook that was set stays for the
 * next run and is not called meanwhile.
 *
 * OB_EINVAL    request is NULL, or flagged OB_CALL_SYNC or OB_CALL_OFFLOAD
 * OB_EPERM     not from its own handler
 * OB_EALREADY  answered, or asked for before in this run
 * OB_ECANCELED no longer wanted: answer now */
OB_API int ob_request_again(ob_request *request, uint64_t after_ns);

/* Which run of the handler this is: 1 for the first; 0 for NULL. From the
 * handler. Stays at 65536. */
OB_API uint32_t ob_request_attempt(const ob_request *request);

/* 1 when the answer is no longer wanted, else 0. Any thread, before answering.
 * 0 for NULL. */
OB_API int ob_request_cancelled(const ob_request *request);

/* Nanoseconds until the deadline; OB_FOREVER without one, 0 when expired or
 * for NULL. Any thread, before answering. */
OB_API uint64_t ob_request_remaining(const ob_request *request);

/* The engine of a request; NULL for NULL. */
OB_API ob_engine *ob_request_engine(const ob_request *request);

/* --- Calls ---------------------------------------------------------------- */

typedef struct ob_ticket ob_ticket;
typedef struct ob_cq ob_cq;

/* Runs on the loop thread when a submitted call has ended, exactly once, after
 * on_done's call was accepted. *result is freed afterwards; to keep it, copy
 * the struct and set *result to ob_result_none(). */
typedef void (*ob_done)(int status, ob_result *result, void *done_user);

enum ob_call_flags {
  /* The handler answers before it returns. Allows inline calls on the loop
   * thread, and the fastest path. */
  OB_CALL_SYNC = 1u << 0,
  /* The handler may block: it runs on the engine's pool. */
  OB_CALL_OFFLOAD = 1u << 1,
  /* With a full queue return OB_EAGAIN at once, in place of waiting for room
   * until the deadline. */
  OB_CALL_NOWAIT = 1u << 2,
  /* The input outlives the call: do not copy it. */
  OB_CALL_BORROW = 1u << 3,
  /* The handler may get a copy of the input where it would get the input
   * itself: it writes nothing there that the caller is to see, and its result
   * borrows nothing from there. A small input (8 bytes) then travels with an
   * ob_call. No effect together with OB_CALL_BORROW. */
  OB_CALL_COPY = 1u << 4,
};

typedef struct ob_call_opts {
  size_t size;          /* sizeof(ob_call_opts) */
  const char *name;     /* for error texts; must outlive the call; or NULL */
  ob_handler handler;   /* required */
  void *input;          /* for the handler; see Ownership */
  size_t input_size;    /* bytes */
  void *user;           /* for handler and destroy */
  ob_destroy destroy;   /* destroy(input, input_size, user), or NULL */
  uint64_t deadline_ns; /* relative; OB_FOREVER for none */
  uint32_t flags;       /* enum ob_call_flags */
  uint32_t reserved;    /* 0 */
  ob_done on_done;      /* ob_submit only; or NULL */
  void *done_user;      /* for on_done; the tag of a ob_cq record */
  ob_cq *cq;            /* ob_submit only: deliver there; or NULL */
} ob_call_opts;

#define OB_CALL_OPTS_INIT                                    \
  {sizeof(ob_call_opts), NULL, NULL, NULL, 0,    NULL, NULL, \
   OB_FOREVER,           0,    0,    NULL, NULL, NULL}

/* Ownership of the input: the engine borrows it during an ob_call without
 * deadline. With a deadline, and in ob_submit, it copies input_size bytes,
 * unless destroy is set (handed over: destroy runs exactly once on the loop
 * thread, after the call has ended and the handler has answered) or
 * OB_CALL_BORROW says that it lives long enough. With input_size 0 the pointer
 * is passed on as it is.
 *
 * What is refused: ob_submit takes nothing, and the input is still yours.
 * ob_call, whose status may be the handler's own, takes it in any case: if the
 * call was refused it runs destroy itself, on the calling thread. */

/* Calls the handler on the loop and blocks until it has answered. Returns the
 * handler's status and moves its result to *out (NULL: freed). On every error
 * of Outboard's own *out is empty. On the loop thread an OB_CALL_SYNC handler
 * runs inline.
 *
 * OB_EINVAL     engine, opts or handler missing, a flag or size unknown
 * OB_ENOMEM     no memory (never for an OB_CALL_SYNC call without deadline,
 *               once this thread has called the engine before)
 * OB_EAGAIN     queue full and OB_CALL_NOWAIT, or the offload queue is full
 * OB_ETIMEDOUT  the deadline expired; queued work will not run, a running
 *               handler sees cancellation and its late answer is destroyed
 * OB_ESHUTDOWN  the engine is stopping
 * OB_ESYSTEM    OB_CALL_OFFLOAD and no pool thread could be had
 * OB_EDEADLK    the wait could never end: on the loop thread itself, or in a
 *               cycle of engines (detail names it); nothing was run
 * OB_EBROKEN    the host has closed the engine's descriptors, before the call
 *               or during it: its handler may have begun, and a late answer is
 *               destroyed. Destroy the engine and start another
 * OB_EFORKED */
OB_API int ob_call(ob_engine *engine, const ob_call_opts *opts, ob_result *out);

/* Submits without waiting for the answer. *out (NULL: none) is a ticket that
 * the caller owns. on_done, if set, receives the result, and the ticket then
 * yields only the status. With a full queue it waits for room, or not, as the
 * flags say. Errors as for ob_call; after an error nothing was transferred. */
OB_API int ob_submit(ob_ticket **out, ob_engine *engine,
                     const ob_call_opts *opts);

/* Runs on the loop thread with status 0, or once with OB_ESHUTDOWN (any
 * thread) or OB_EBROKEN to release arg when the engine stops or breaks. */
typedef void (*ob_post_fn)(void *arg, int status);

/* Hands in two words and returns. Allocates nothing while fewer than 255 posts
 * of this thread wait; beyond that 4 KiB for each 255 more. Waits for room
 * when the queue is full. Errors: OB_EINVAL, OB_ENOMEM, OB_ESHUTDOWN,
 * OB_EFORKED, OB_EBROKEN; OB_EDEADLK for a full queue on the loop thread. */
OB_API int ob_post(ob_engine *engine, ob_post_fn fn, void *arg);

/* The same, with OB_EAGAIN for a full queue. */
OB_API int ob_try_post(ob_engine *engine, ob_post_fn fn, void *arg);

/* A queue entry in the caller's own memory: set run, leave next alone. It must
 * live until run, which gets the node and the status of an ob_post_fn, and may
 * free it or hand it in again. */
typedef struct ob_node {
  struct ob_node *next; /* private while queued */
  void (*run)(struct ob_node *node, int status);
} ob_node;

/* Hands in the caller's own node: as ob_try_post, which says when it
 * allocates. A node that is queued already is misuse that cannot be detected.
 */
OB_API int ob_post_node(ob_engine *engine, ob_node *node);

/* --- Tickets ---------------------------------------------------------------
 * A ticket may be waited for by several threads; one of them gets the result.
 * It outlives its engine. */

/* Waits for the call to end, returns its status and moves the result to *out
 * (NULL: it stays). An expired wait does not end the call.
 *
 * OB_ETIMEDOUT  not ended in time (ambiguous with a call that timed out
 *               itself: ob_ticket_poll tells)
 * OB_EALREADY   ended, and its result was taken before (out not NULL)
 * OB_EDEADLK    not ended, and this is its loop thread, or a cycle
 * OB_EFORKED    not ended, and it is the parent's
 * OB_EINVAL     ticket is NULL */
OB_API int ob_ticket_wait(ob_ticket *ticket, uint64_t deadline_ns,
                          ob_result *out);

/* 1 when the call has ended (its status in *status, may be NULL), 0 when it
 * has not, OB_EINVAL for NULL. */
OB_API int ob_ticket_poll(ob_ticket *ticket, int *status);

/* Asks the call to end. Queued: it ends with OB_ECANCELED and never runs.
 * Running: the handler sees it and answers. OB_OK, also when asked before;
 * OB_EALREADY when it has ended; OB_EFORKED; OB_EINVAL for NULL. */
OB_API int ob_ticket_cancel(ob_ticket *ticket);

/* Gives the ticket up. A call that has not ended goes on and its result is
 * destroyed when it comes; cancel first to end it. NULL is allowed. */
OB_API void ob_ticket_release(ob_ticket *ticket);

/* Waits until one of count tickets has ended and stores its index; the lowest
 * when several have. Streams take part by ob_stream_ticket. OB_ETIMEDOUT,
 * OB_EDEADLK, OB_ENOMEM (above 64 tickets), OB_EINVAL (also for count 0 or a
 * NULL among them). */
OB_API int ob_wait_any(ob_ticket *const *tickets, size_t count,
                       uint64_t deadline_ns, size_t *index);

/* Waits until all have ended. Errors as above; count 0 is OB_OK. */
OB_API int ob_wait_all(ob_ticket *const *tickets, size_t count,
                       uint64_t deadline_ns);

#ifdef __cplusplus
}
#endif

#endif
