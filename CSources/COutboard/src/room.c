/* Room in the queue: the limit, and waiting when it is reached.
 *
 * The engine's limit is dealt out to the lanes as credits, a chunk at a time,
 * so that the usual submission looks at its own lane only. A lane that runs out
 * asks the engine, then takes what other lanes hold and do not use. A lane
 * remembers up to a chunk of the room it has seen, since a look at what the
 * loop has run costs a cache miss; so while credits are redistributed a racing
 * producer may exceed the limit by one item. */
#include "internal.h"

#define STEAL_RETRY_NS 1000000u

/* Moves up to chunk credits from the engine to the lane. */
static int take_chunk(ob_engine *engine, ob__lane *lane) {
  int64_t have = ob__load_relaxed(&engine->credits), take;
  do {
    if (have <= 0) return 0;
    take = have < (int64_t)engine->credit_chunk ? have
                                                : (int64_t)engine->credit_chunk;
  } while (!ob__cas_relaxed(&engine->credits, &have, have - take));
  ob__add_relaxed(&lane->quota, (uint64_t)take);
  return 1;
}

/* Returns what other lanes hold unused to the engine. */
static void reclaim(ob_engine *engine, const ob__lane *mine) {
  ob__lane *lane;
  uint64_t quota, used, pushed;
  ob__registry_lock();
  for (lane = engine->lanes; lane != NULL; lane = lane->next_of_engine) {
    if (lane == mine) continue;
    quota = ob__load_relaxed(&lane->quota);
    used = ob__lane_used(lane);
    if (quota <= used) continue;
    if (!ob__cas_acq_rel(&lane->quota, &quota, used)) continue;
    /* What its producer has pushed meanwhile keeps its credits. */
    pushed = ob__lane_used(lane);
    pushed = pushed <= used ? 0 : pushed < quota ? pushed - used : quota - used;
    ob__add_relaxed(&lane->quota, pushed);
    ob__add_relaxed(&engine->credits, (int64_t)(quota - used - pushed));
  }
  ob__registry_unlock();
}

/* Room in the lane's own credits: takes one item's, remembers a chunk. */
static int room_seen(const ob_engine *engine, ob__lane *lane) {
  uint64_t used = ob__lane_used(lane), quota = ob__load_relaxed(&lane->quota);
  if (used >= quota) return 0;
  lane->room = quota - used < engine->credit_chunk ? (uint32_t)(quota - used)
                                                   : engine->credit_chunk;
  lane->room--;
  lane->room_quota = quota;
  return 1;
}

static int room_now(ob_engine *engine, ob__lane *lane) {
  if (room_seen(engine, lane)) return 1;
  if (take_chunk(engine, lane)) return 1;
  reclaim(engine, lane);
  return take_chunk(engine, lane);
}

static void list_add(ob_engine *engine, ob__waiter *waiter) {
  ob__lock_take(&engine->room_lock);
  waiter->prev = NULL;
  waiter->next = engine->room_list;
  if (engine->room_list != NULL) engine->room_list->prev = waiter;
  engine->room_list = waiter;
  ob__lock_give(&engine->room_lock);
}

static void list_remove(ob_engine *engine, ob__waiter *waiter) {
  ob__lock_take(&engine->room_lock);
  if (waiter->prev != NULL)
    waiter->prev->next = waiter->next;
  else
    engine->room_list = waiter->next;
  if (waiter->next != NULL) waiter->next->prev = waiter->prev;
  ob__lock_give(&engine->room_lock);
}

/* Sleeps until the loop has made room. Woken after every batch; wakes itself
 * each millisecond too, since credits also come back from ended threads. */
static int wait_for_room(ob_engine *engine, ob__lane *lane, uint64_t deadline) {
  ob__thread *self = lane->thread;
  ob__waiter waiter = {.parker = &self->parker};
  int rc = OB_OK;
  ob__add_relaxed(&engine->room_waiters, 1u);
  list_add(engine, &waiter);
  ob__block_begin(self);
  while (!room_now(engine, lane)) {
    uint64_t now = ob__now(), until = now + STEAL_RETRY_NS;
    if (ob__load_relaxed(&engine->gate) != 0) {
      rc = ob__refuse_shutdown(engine);
      break;
    }
    if (ob__load_relaxed(&engine->broken) != 0) {
      rc = ob__refuse_broken(engine);
      break;
    }
    if (deadline != OB_FOREVER && now >= deadline) {
      rc = OB_ETIMEDOUT;
      break;
    }
    ob__park(&self->parker, until < deadline ? until : deadline);
  }
  ob__block_end(self);
  list_remove(engine, &waiter);
  ob__sub_relaxed(&engine->room_waiters, 1u);
  return rc;
}

void ob__room_freed(ob_engine *engine) {
  ob__waiter *waiter;
  ob__lock_take(&engine->room_lock);
  for (waiter = engine->room_list; waiter != NULL; waiter = waiter->next)
    ob__unpark(waiter->parker);
  ob__lock_give(&engine->room_lock);
}

/* On a loop thread it may close a cycle. */
static int wait_guarded(ob_engine *engine, ob__lane *lane, uint64_t deadline) {
  ob_engine *loop = ob__loop_self();
  /* Inside an ob_call the edge is there, and must stay. */
  int rc = OB_OK, enter = loop != NULL && loop->waits_count == 0;
  if (enter) rc = ob__cycle_enter(&engine, 1, "wait for room");
  if (rc != OB_OK) return rc;
  rc = wait_for_room(engine, lane, deadline);
  if (enter) ob__cycle_leave();
  if (rc == OB_ETIMEDOUT)
    return ob__fail(rc, "no room in the queue of engine \"%s\" in time",
                    engine->name);
  return rc;
}

static int full_queue(ob_engine *engine, ob__lane *lane, int nowait,
                      uint64_t deadline) {
  int rc;
  if (nowait)
    return ob__fail(OB_EAGAIN,
                    "the queue of engine \"%s\" holds its limit of "
                    "%u items",
                    engine->name, engine->opts.queue_limit);
  if (ob__on_loop(engine))
    return ob__fail(OB_EDEADLK,
                    "the queue of engine \"%s\" is full, and its own loop "
                    "thread cannot wait for room; submit with OB_CALL_NOWAIT",
                    engine->name);
  ob__add_relaxed(&engine->inside, 1u); /* it may be disposed of meanwhile */
  rc = wait_guarded(engine, lane, deadline);
  ob__sub_acq_rel(&engine->inside, 1u);
  return rc;
}

int ob__room_take(ob__lane *lane, int nowait, uint64_t deadline) {
  ob_engine *engine = lane->engine;
  uint32_t gate = ob__load_relaxed(&engine->gate);
  if (OB_UNLIKELY(gate != 0) &&
      !(gate == OB__STOP_DRAIN && ob__on_loop(engine)))
    return ob__refuse_shutdown(engine);
#ifdef OB_BREAK_LIMIT
  (void)nowait;
  (void)deadline;
  return OB_OK;
#else
  /* Unless another lane has taken them since. */
  if (OB_LIKELY(lane->room > 0 &&
                ob__load_relaxed(&lane->quota) == lane->room_quota)) {
    lane->room--;
    return OB_OK;
  }
  if (room_now(engine, lane)) return OB_OK;
  return full_queue(engine, lane, nowait, deadline);
#endif
}
