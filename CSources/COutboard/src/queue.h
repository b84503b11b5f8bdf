/* The queue: one push list for requests and a lane per posting thread.
 *
 * Push list (after Treiber's stack, taken whole): `head` holds the newest node,
 * or one of three tags:
 *
 *   OB__EMPTY     nothing queued, the loop is awake
 *   OB__SLEEPING  nothing queued, the loop sleeps or is about to
 *   OB__CLOSED    the loop has ended; a push is refused
 *
 * One CAS both pushes and learns whether the loop must be woken: the pusher
 * that replaced SLEEPING writes to the eventfd, and nobody else does. The loop
 * takes the whole list by one exchange and reverses it. No pusher can be
 * caught half-way (as in an exchange queue), and there is no ABA, for nothing
 * is popped singly. A queue with a separate sleeping flag, or uv_async_send's
 * early return, would need a fence on each side, and loses wake-ups without it
 * (libuv issue 4584).
 *
 * Lane: a single-producer ring of segments holding {fn, arg}. The lane itself
 * is a node of the push list: the producer publishes its tail, then exchanges
 * `scheduled` to QUEUED, and pushes the lane unless it was that before. The
 * loop exchanges it to HELD before it reads the tail, and lets go (HELD to
 * IDLE) when it has run everything. So there is one word to sleep on, nothing
 * to scan (scanning lanes halved the rate of 64 callers), and a burst of posts
 * costs one push.
 *
 * Order per thread: a submission goes to the list only when its thread's lane
 * is empty and IDLE, else it becomes an entry of the lane. A blocking
 * call, whose thread hands in nothing until it has returned, uses the list in
 * any case and says how much of the lane comes before it: so it never needs
 * memory.
 *
 * Room: each lane holds credits of the engine's queue_limit, so that a
 * submission counts against the limit without touching a shared word. A lane
 * that runs out takes a chunk more, or what other lanes do not use (room.c).
 */
#ifndef OB_QUEUE_H
#define OB_QUEUE_H

#include <stdint.h>

#include "atomic.h"
#include "inspect.h"
#include "outboard.h"

#define OB__EMPTY ((ob_node *)0)
#define OB__SLEEPING ((ob_node *)1)
#define OB__CLOSED ((ob_node *)2)
#define OB__IS_TAG(node) ((uintptr_t)(node) <= 2)

typedef struct ob__entry {
  ob_post_fn fn;
  void *arg;
} ob__entry;

/* A submission that nobody can ask about later (no ticket, answered before its
 * handler returns) travels in the lane itself, in no more entries than it has
 * use for: see item.c. The first one's fn is then a word below the lowest
 * address of code. */
#define OB__ITEM ((uintptr_t)4)
#define OB__ITEM_END ((uintptr_t)4096)
static inline int ob__is_item(ob_post_fn fn) {
  return (uintptr_t)fn - OB__ITEM < OB__ITEM_END - OB__ITEM;
}

#define OB__BLOCK_ENTRIES 255
#define OB__SPARE_MOST 8 /* drained blocks kept for a lane */

typedef struct ob__block {
  struct ob__block *next; /* producer, before it publishes past the block */
  uint64_t depth;         /* loop: how many spare ones came before */
  ob__entry entries[OB__BLOCK_ENTRIES];
} ob__block;

/* A caller's shortcut past the list: see box.c. Its two lines are written by
 * one side each. */
typedef struct ob__box {
  /* Caller to loop. */
  _Alignas(OB_LINE) uint32_t word; /* atomic: see box.c */
  int32_t caller_cpu;
  ob_handler handler;
  void *user;
  const char *name;
  void *input;
  uint32_t copied; /* the input is in copy */
  uint32_t weight; /* of a measured call, or 0 */
  size_t input_size;
  unsigned char copy[8];
  uint64_t enqueued; /* with weight */

  /* Loop to caller. */
  _Alignas(OB_LINE) uint32_t state; /* atomic: number of the call answered, and
                                       OB__WAITERS */
  int32_t status;
  ob_result result;
} ob__box;

enum { OB__LANE_IDLE, OB__LANE_QUEUED, OB__LANE_HELD };

struct ob__thread;

/* One thread's way into one engine. Recycled and never freed: requests in
 * caches and late frees may point here. */
typedef struct ob__lane {
  ob_node node; /* in the push list or the loop's ready list */

  /* Producer. */
  _Alignas(OB_LINE) uint64_t tail; /* entries published */
  ob__block *tail_block;
  uint32_t tail_index;
  ob__block *blocks;   /* drained ones to be used again */
  uint32_t room;       /* items that may be handed in without a look (room.c) */
  uint64_t room_quota; /* the quota when it was seen */
  uint64_t listed;     /* submissions put on the push list */
  uint64_t held;       /* blocking calls under way: 0 or 1 */
  uint32_t pushing;    /* 1 between a push and its wake-up */
  ob_request *cache;   /* free requests */
  uint32_t cache_size;
  uint64_t n_submitted, n_refused, n_wakes; /* readers relaxed */
  uint32_t look_word;     /* engine->inspect when look_left was set */
  uint32_t look_left;     /* calls until one is measured */
  uint32_t look_every;    /* what that one will stand for */
  uint32_t look_exponent; /* how seldom, by this lane alone */
  uint32_t look_random;
  uint64_t look_time;        /* when the last was handed in */
  struct ob__thread *thread; /* NULL once it has ended */
  struct ob__lane *next_of_thread;
  struct ob__lane *next_of_engine; /* registry lock; also the free pool */
  ob_engine *engine;               /* NULL once it has ended */
  uint64_t engine_id;

  /* Both. */
  _Alignas(OB_LINE) uint32_t scheduled; /* OB__LANE_, see above */
  uint64_t quota;                       /* credits; lowered by room.c */

  /* Loop. */
  _Alignas(OB_LINE) uint64_t head; /* entries run */
  ob__block *head_block;
  uint32_t head_index;
  uint64_t unlisted;  /* of listed: taken by the loop */
  int ended;          /* the thread's last entry has run */
  uint32_t streak;    /* batches in a row that found it queued */
  uint32_t fill_skip; /* batches in which it is not let fill */
  uint64_t last_batch;
  ob_node again; /* in the ready list, with in_ready set */
  int in_ready;
  ob_request *returned; /* freed elsewhere, any thread by CAS */
  ob__block *spare;     /* drained blocks; taken whole by the producer */

  ob__box box;
} ob__lane;

/* What a push found. */
enum { OB__PUSH_CLOSED = -1, OB__PUSH_AWAKE = 0, OB__PUSH_ASLEEP = 1 };

int ob__queue_push(ob_engine *engine, ob_node *node);
/* What is queued, in the order it came, or NULL. Loop thread. */
ob_node *ob__queue_take(ob_engine *engine);
/* 1: the loop may sleep; pushers will wake it. Loop thread. */
int ob__queue_sleep(ob_engine *engine);
void ob__queue_awake(ob_engine *engine);
/* 1: closed for good; 0: something has been pushed. Loop thread. */
int ob__queue_close(ob_engine *engine);
int ob__queue_empty(const ob_engine *engine);

/* Push of an item that cannot be refused while the engine lives. */
int ob__push_exempt(ob_engine *engine, ob_node *node);
/* The same, of an item after which the engine may be stopped and freed at once:
 * freeing waits for the pusher. */
int ob__push_last(ob_engine *engine, ob_node *node);
/* Push and wake: OB_OK, or OB_ESHUTDOWN or OB_EBROKEN with the node not queued.
 */
int ob__push_or_undo(ob__lane *lane, ob_node *node);

void ob__lane_init(ob__lane *lane);
/* Appends an entry and schedules the lane: OB_OK, OB_ENOMEM, OB_ESHUTDOWN,
 * OB_EBROKEN. */
int ob__lane_append(ob__lane *lane, ob_post_fn fn, void *arg);
/* The same for a post, which may be measured. */
int ob__lane_append_post(ob__lane *lane, ob_post_fn fn, void *arg);
/* The same for a submission that travels in the lane. */
int ob__lane_append_call(ob__lane *lane, const ob_call_opts *opts);
/* 1: a node pushed now keeps this thread's order; else append it. */
int ob__lane_idle(const ob__lane *lane);
/* Pushes a node onto the list, as ob__push_or_undo. */
int ob__lane_push(ob__lane *lane, ob_node *node);
/* Run up to the engine's budget. Loop thread. */
void ob__lane_run(ob_node *node, int status);
void ob__lane_again(ob_node *node, int status);
/* Runs the entries before tail; 0 when the budget was spent first. */
int ob__lane_catch_up(ob__lane *lane, uint64_t tail);
/* Gives a lane whose thread or engine has ended back to the pool. */
void ob__lane_retire(ob__lane *lane);
void ob__lane_free_blocks(ob__lane *lane);
/* Items of this lane that are queued now. */
uint64_t ob__lane_used(const ob__lane *lane);

#endif
