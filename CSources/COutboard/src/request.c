/* Full requests: memory, references, waiters.
 *
 * Memory comes from the submitting thread's lane: a private free list, and a
 * list of what other threads gave back, taken whole by one exchange (the two
 * lists of mimalloc's pages). Lanes are never freed, so a late return always
 * finds its own. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Requests kept for a thread; more are given back to the allocator. */
#define CACHE_LIMIT 1024
/* Freed ones that the loop collects. */
#define FREED_MOST 32

static ob_request *request_make(void) {
  void *memory = NULL;
  if (posix_memalign(&memory, 64, sizeof(ob__full)) != 0) return NULL;
  memset(memory, 0, sizeof(ob__full));
  ob__lock_init(&((ob__full *)memory)->lock);
  return memory;
}

ob_request *ob__request_new(ob__lane *lane) {
  ob_request *request = lane->cache;
  ob__full *full;
  if (request == NULL) {
    /* Acquire: what the last owners did with the memory. */
    request = ob__xchg_acq_rel(&lane->returned, NULL);
    lane->cache_size = request != NULL ? CACHE_LIMIT / 2 : 0;
  }
  if (request != NULL) {
    lane->cache = (ob_request *)request->node.next;
    if (lane->cache_size > 0) lane->cache_size--;
  } else {
    request = request_make();
    if (request == NULL) return NULL;
  }
  full = ob__full_of(request);
  full->refs = 1;
  full->delivered = full->attempts = 0;
  full->waiters = NULL;
  full->lane = lane;
  full->deadline = OB_FOREVER;
  full->destroy = NULL;
  return request;
}

static void give_back(ob__lane *lane, ob_request *first, ob_request *last) {
  ob_request *seen = ob__load_relaxed(&lane->returned);
  do {
    last->node.next = (ob_node *)seen;
    /* Release: pairs with the exchange in ob__request_new. */
  } while (!ob__cas_weak_acq_rel(&lane->returned, &seen, first));
}

void ob__freed_flush(ob_engine *engine) {
  if (engine->freed_count == 0) return;
  give_back(engine->freed_lane, engine->freed, engine->freed_last);
  engine->freed_count = 0;
}

/* The loop collects what it frees: each giving back is a cache miss. */
static void collect(ob_engine *engine, ob__lane *lane, ob_request *request) {
  if (engine->freed_count > 0 && engine->freed_lane != lane)
    ob__freed_flush(engine);
  if (engine->freed_count == 0) engine->freed_last = request;
  request->node.next = engine->freed_count > 0 ? &engine->freed->node : NULL;
  engine->freed = request;
  engine->freed_lane = lane;
  if (++engine->freed_count == FREED_MOST) ob__freed_flush(engine);
}

static void request_free(ob_request *request) {
  ob__full *full = ob__full_of(request);
  ob__lane *lane = full->lane;
  ob_engine *loop = ob__loop_self();
  /* Only this thread could make the lane its own: a racing change cannot turn
   * the answer into yes. */
  ob__thread *owner = ob__load_relaxed(&lane->thread);
  /* NULL owns nothing: this thread may have no record yet. */
  if (owner != NULL && owner == ob__thread_known()) {
    if (lane->cache_size < CACHE_LIMIT) {
      lane->cache_size++;
      request->node.next = (ob_node *)lane->cache;
      lane->cache = request;
    } else {
      free(full);
    }
  } else if (loop != NULL) {
    collect(loop, lane, request);
  } else {
    give_back(lane, request, request);
  }
}

void ob__request_ref(ob_request *request) {
  ob__add_relaxed(&ob__full_of(request)->refs, 1u);
}

void ob__request_unref(ob_request *request) {
  ob__full *full = ob__full_of(request);
  /* Acquire and release: every owner's writes come before the free. The only
   * owner needs no locked instruction to see that it is. */
  if (ob__load_acquire(&full->refs) != 1 &&
      ob__sub_acq_rel(&full->refs, 1u) != 1)
    return;
  if ((ob__load_relaxed(&request->state) & OB__TAKEN) == 0)
    ob_result_free(&request->result);
  request_free(request);
}

int ob__request_status(const ob_request *request, uint32_t state) {
  switch ((state & OB__EARLY_MASK) >> OB__EARLY_SHIFT) {
    case OB__END_TIMEOUT:
      return OB_ETIMEDOUT;
    case OB__END_CANCEL:
      return OB_ECANCELED;
    case OB__END_SHUTDOWN:
      return OB_ESHUTDOWN;
    case OB__END_NOROOM:
      return OB_EAGAIN;
    case OB__END_NOTHREAD:
      return OB_ESYSTEM;
    case OB__END_BROKEN:
      return OB_EBROKEN;
    default:
      return request->status;
  }
}

int ob__request_take(ob_request *request, ob_result *out) {
  *out = ob_result_none();
  /* An early end has no result; its slot may be being written. DONE is set, so
   * EARLY does not change any more. */
  if (ob__load_acquire(&request->state) & OB__EARLY_MASK) return 1;
  if (ob__or_acq_rel(&request->state, OB__TAKEN) & OB__TAKEN) return 0;
  *out = request->result;
  return 1;
}

int ob__waiter_add(ob_request *request, ob__waiter *waiter) {
  ob__full *full = ob__full_of(request);
  uint32_t old;
  ob__lock_take(&full->lock);
  waiter->prev = NULL;
  waiter->next = full->waiters;
  if (full->waiters != NULL) full->waiters->prev = waiter;
  full->waiters = waiter;
  /* Pairs with the RMW that sets DONE: one of the two sees the other. */
  old = ob__or_acq_rel(&request->state, OB__WAITERS);
  ob__lock_give(&full->lock);
  if ((old & OB__DONE) == 0) return 1;
#ifndef OB_BREAK_FACE
  /* Another may take a stream's item before this wait looks. */
  if (request->flags & OB__FLAG_STREAM) return 1;
#endif
  ob__waiter_remove(request, waiter);
  return 0;
}

void ob__waiter_remove(ob_request *request, ob__waiter *waiter) {
  ob__full *full = ob__full_of(request);
  ob__lock_take(&full->lock);
  if (waiter->prev != NULL)
    waiter->prev->next = waiter->next;
  else
    full->waiters = waiter->next;
  if (waiter->next != NULL) waiter->next->prev = waiter->prev;
  ob__lock_give(&full->lock);
}
