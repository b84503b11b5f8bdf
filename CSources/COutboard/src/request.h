/* Requests: one call, its state word, and who may touch what when.
 *
 * Two kinds share the first part:
 *   - bare: an OB_CALL_SYNC call without deadline. Lives on the caller's stack;
 *     nothing can cancel it; only WAITERS and DONE are used. Whoever finishes
 *     it reads the parker first: its last touch of the request is the RMW that
 *     sets DONE.
 *   - full (ob__full): refcounted, from the lane's cache.
 *
 * State word of a full request. Bits are only ever added, but for NODE:
 *
 *   NODE      its node is in a queue or will be pushed by who set the bit
 *   POOLED    handed to the offload pool
 *   RUNNING   its handler has been started
 *   HOOKED    on_cancel is set
 *   CANCEL    cancellation was asked for
 *   WAITERS   the list of waiters is not empty
 *   DONE      the outcome is decided and readable
 *   EARLY     with DONE: the outcome is the kind in the EARLY field, and the
 *             handler's own answer, if it ever comes, is destroyed
 *   ANSWERED  the handler has called ob_complete
 *   TAKEN     somebody has moved the result out
 *
 *   transition                who             by
 *   ------------------------- --------------- -----------------------------
 *   0 -> NODE                 submitter       before the push
 *   NODE -> RUNNING           loop            CAS, fails when DONE
 *   NODE -> POOLED            loop            CAS, fails when DONE
 *   POOLED -> RUNNING         pool thread     CAS, fails when DONE
 *   !DONE -> DONE|EARLY       cancel, expiry, CAS; the winner delivers
 *                             shutdown
 *                             (expiry and breakage alone once RUNNING)
 *   RUNNING -> CANCEL|NODE    cancel,         CAS, pushes if NODE was clear
 *                             shutdown
 *   RUNNING -> ANSWERED       completer       OR; found set: misuse
 *   -> DONE|NODE              completer       OR; finding DONE: too late
 *   NODE -> 0                 loop            AND, before it looks at the rest
 *
 * Finishing is the one RMW that sets DONE; who finds it clear delivers. The
 * slot (status, result) is written only by the handler's side, before its RMW.
 */
#ifndef OB_REQUEST_H
#define OB_REQUEST_H

#include <stddef.h>

#include "inspect.h"
#include "outboard.h"
#include "outboard_spi.h"
#include "prim.h"

#define OB__NODE 0x001u
#define OB__POOLED 0x002u
#define OB__RUNNING 0x004u
#define OB__HOOKED 0x008u
#define OB__CANCEL 0x010u
#define OB__WAITERS 0x020u
#define OB__DONE 0x040u
#define OB__ANSWERED 0x080u
#define OB__TAKEN 0x100u
#define OB__CLAIMED 0x200u
#define OB__EARLY_SHIFT 12
#define OB__EARLY_MASK 0xf000u

/* Kinds of early end; 0 is none. */
enum {
  OB__END_TIMEOUT = 1,
  OB__END_CANCEL,
  OB__END_SHUTDOWN,
  OB__END_NOROOM,   /* the pool's queue was full */
  OB__END_NOTHREAD, /* no pool thread could be had */
  OB__END_BROKEN    /* the host closed the descriptors */
};

/* Private flags beside enum ob_call_flags. */
#define OB__FLAG_FULL (1u << 16) /* an ob__full */
#define OB__FLAG_BLOCKED \
  (1u << 17)                       /* an ob_call: its caller watches the time */
#define OB__FLAG_BEHIND (1u << 20) /* bare: its slot says what runs first */
#define OB__FLAG_LISTED (1u << 19) /* counted in its lane's listed */
#define OB__FLAG_ALONE (1u << 21)  /* no ticket: the loop's alone */
#define OB__FLAG_STREAM (1u << 22) /* a stream's face: DONE comes and goes */
#define OB__FLAG_LOOK (1u << 23)   /* it is measured */

typedef struct ob__waiter {
  struct ob__waiter *next, *prev;
  ob__parker *parker;
} ob__waiter;

/* Two lines: what the loop is told, and what the caller is. A blocked caller
 * looks at state, and has the answer when it has that. */
struct ob_request {
  _Alignas(64) ob_node node; /* first: a queue entry is a request */
  ob_engine *engine;         /* set before the push */
  ob_handler handler;
  void *input;
  size_t input_size;
  void *user;
  uint32_t flags;     /* set before the push */
  int32_t caller_cpu; /* where the caller ran */

  uint32_t state;   /* atomic, see above */
  int32_t status;   /* slot: the handler's side, before its RMW */
  const char *name; /* or NULL */
  ob_result result; /* slot */
};

/* Until its handler runs, the slot holds of a bare request who waits and what
 * comes first, and of a full one an input that fits. */
#define ob__bare_caller(request) ((request)->result.u.ref.user)
#define ob__bare_lane(request) ((request)->result.u.ref.data)
#define ob__bare_tail(request) ((request)->result.size)
/* And, with OB__FLAG_LOOK, when it was handed in and for how many it stands. */
#define ob__bare_time(request) (&(request)->result.u.bytes[24])
#define ob__bare_weight(request) ((request)->result.kind)

/* A caller's stack pays for this: two lines. The slot is aligned as malloc
 * aligns, for inputs. */
_Static_assert(sizeof(struct ob_request) <= 128, "bare request has grown");
_Static_assert(offsetof(struct ob_request, result) % 16 == 0, "inputs");

typedef struct ob__full {
  ob_request base; /* two lines; node.next is also the link of free lists */

  /* A third: what every call needs. */
  uint32_t refs;         /* atomic */
  uint16_t delivered;    /* loop: callback, descriptor or none, done */
  uint16_t attempts;     /* loop: runs of the handler before this one */
  uint32_t fork_word;    /* the engine's, which the ticket outlives */
  ob__lock lock;         /* of waiters */
  ob__waiter *waiters;   /* lock */
  struct ob__lane *lane; /* whose cache it came from */
  uint64_t deadline;     /* absolute ns, set before the push */
  ob_destroy destroy;    /* of the input */
  union {
    ob_done on_done;     /* cq NULL: the callback, or NULL */
    ob_request *cq_next; /* cq set: link in its list */
  } done;
  void *done_user;
  ob_cq *cq;

  ob__look look; /* with OB__FLAG_LOOK */

  /* What few need; what is not said to be so is left from the last use. */
  ob_timer timer;           /* loop: expiry of a submission; idle when free */
  ob_cancel_hook on_cancel; /* handler's side, before HOOKED */
  void *cancel_arg;         /* same */
  uint64_t started;         /* when it began to run or wait, ns */
  ob_timer retry;           /* loop: end of a pause; idle when free (retry.c) */
  ob_cancel_hook kept_hook; /* loop: the user's, during a pause */
  void *kept_arg;           /* same */
  ob_request *prev, *next;  /* engine->running */
  ob_request *pool_prev, *pool_next; /* pool lock; NULL when in no pool */
} ob__full;

/* The ticket is the request: one allocation. */
struct ob_ticket {
  ob__full full;
};

void ob__bare_run(ob_node *node, int status);
/* As it was handed in, before the slot is the handler's. */
OB__COLD ob__look ob__bare_look(const ob_request *request);

static inline ob__full *ob__full_of(ob_request *request) {
  return (ob__full *)request;
}

/* request.c */
ob_request *ob__request_new(struct ob__lane *lane);
void ob__request_ref(ob_request *request);
void ob__request_unref(ob_request *request);
/* Gives back what the loop has freed. Loop thread. */
void ob__freed_flush(ob_engine *engine);
/* Status of a request that is DONE. */
int ob__request_status(const ob_request *request, uint32_t state);
/* Moves the result out, once. 1 if this call got it. */
int ob__request_take(ob_request *request, ob_result *out);
int ob__waiter_add(ob_request *request, ob__waiter *waiter);
void ob__waiter_remove(ob_request *request, ob__waiter *waiter);

/* complete.c */
/* Ends a request early. OB_EALREADY when it was DONE. */
int ob__end_early(ob_request *request, int kind);
void ob__wake_waiters(ob_request *request);

/* What a request on the stack begins with. */
static inline void ob__bare_init(ob_request *request, ob_engine *engine) {
  request->node.run = ob__bare_run;
  request->state = 0;
  request->engine = engine;
  request->status = OB_OK;
  request->result = (ob_result)OB_RESULT_INIT;
}

/* complete.c */
/* Sets DONE for an answer that is in the slot, tells who waits, and queues the
 * node. OB_ECANCELED: ended before. */
int ob__publish_answer(ob_request *request);

/* dispatch.c */
/* Runs a handler on the loop. 1 if it has answered. */
int ob__run_handler(ob_engine *engine, ob_request *request);
void ob__request_run(ob_node *node, int status);
void ob__request_entry(void *request, int status);
void ob__running_link(ob_request *request);
/* Runs a bare request's handler inline on the loop. */
void ob__bare_inline(ob_request *request);
/* The same, measured; status is what it is drained with. */
OB__COLD void ob__bare_measured(ob_request *request, ob__look *look);
/* item.c */
void ob__count_outcome(ob_engine *engine, int status);
/* How many entries a submission takes, and which: the first one's fn. */
ob_post_fn ob__item_word(const ob_call_opts *opts);
uint32_t ob__item_slots(ob_post_fn word);
void ob__item_write(struct ob__entry *entry, ob_post_fn word,
                    const ob_call_opts *opts);
/* Runs what travelled in a lane; look is NULL or measures it. */
void ob__item_run(ob_engine *engine, const struct ob__entry *entry,
                  ob__look *look);

#endif
