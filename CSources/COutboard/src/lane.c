/* Lanes: single-producer segmented rings, scheduled through the push list.
 * queue.h has the protocol. */
#include <stdlib.h>

#include "internal.h"

void ob__lane_init(ob__lane *lane) {
  ob_request *cache = lane->cache, *returned = lane->returned;
  uint32_t size = lane->cache_size;
  ob__block *spare = lane->spare;
  *lane = (ob__lane){0};
  lane->node.run = ob__lane_run;
  /* Memory of requests and blocks serves the next thread. */
  lane->cache = cache;
  lane->cache_size = size;
  lane->returned = returned;
  lane->spare = spare;
}

static ob__block *block_take(ob__lane *lane) {
  ob__block *block = ob__xchg_acq_rel(&lane->spare, NULL);
  if (block == NULL) block = malloc(sizeof *block);
  if (block != NULL) block->next = NULL;
  return block;
}

/* The place of the next entry, or NULL when out of memory. */
static ob__entry *entry_next(ob__lane *lane) {
  ob__block *block;
  if (OB_LIKELY(lane->tail_block != NULL &&
                lane->tail_index < OB__BLOCK_ENTRIES))
    return &lane->tail_block->entries[lane->tail_index];
  block = block_take(lane);
  if (block == NULL) return NULL;
  /* Published by the tail of the entry that will be the block's first. */
  if (lane->tail_block != NULL)
    ob__store_release(&lane->tail_block->next, block);
  else
    ob__store_release(&lane->head_block, block);
  lane->tail_block = block;
  lane->tail_index = 0;
  return &block->entries[0];
}

int ob__lane_append(ob__lane *lane, ob_post_fn fn, void *arg) {
  ob_engine *engine = lane->engine;
  ob__entry *entry = entry_next(lane);
  int found;
  if (OB_UNLIKELY(entry == NULL)) return OB_ENOMEM;
  entry->fn = fn;
  entry->arg = arg;
  lane->tail_index++;
  ob__store_release(&lane->tail, lane->tail + 1);
#ifdef OB_BREAK_WAKE /* uv_async_send's early return */
  if (ob__load_relaxed(&lane->scheduled) != 0) return OB_OK;
  ob__store_relaxed(&lane->scheduled, 1u);
#else
  /* Pairs with the exchange in ob__lane_run: if this finds 1, that one comes
   * later and will see the tail. */
  if (ob__xchg_acq_rel(&lane->scheduled, 1u) != 0) return OB_OK;
#endif
  found = ob__queue_push(engine, &lane->node);
  if (OB_LIKELY(found == OB__PUSH_AWAKE)) return OB_OK;
  if (found == OB__PUSH_CLOSED) {
    /* Nobody reads a lane that is not scheduled: the entry can be had back. */
    lane->tail_index--;
    ob__store_release(&lane->tail, lane->tail - 1);
    ob__store_release(&lane->scheduled, 0u);
    return OB_ESHUTDOWN;
  }
  ob__count(&lane->n_wakes, (uint64_t)ob__wake(engine));
  return OB_OK;
}

int ob__lane_idle(const ob__lane *lane) {
#ifdef OB_BREAK_FIFO
  (void)lane;
  return 1;
#else
  /* Acquire: what the loop ran of this lane before it published head. Only
   * this thread can make an idle lane busy, so the answer stays true. */
  return lane->tail == ob__load_acquire(&lane->head) &&
         ob__load_acquire(&lane->scheduled) == 0;
#endif
}

int ob__lane_push(ob__lane *lane, ob_node *node) {
  int found = ob__queue_push(lane->engine, node);
  if (OB_LIKELY(found == OB__PUSH_AWAKE)) return OB_OK;
  if (found == OB__PUSH_CLOSED) return OB_ESHUTDOWN;
  ob__count(&lane->n_wakes, (uint64_t)ob__wake(lane->engine));
  return OB_OK;
}

uint64_t ob__lane_used(const ob__lane *lane) {
  return ob__load_relaxed(&lane->tail) - ob__load_acquire(&lane->head) +
         ob__load_relaxed(&lane->listed) - ob__load_acquire(&lane->unlisted) +
         ob__load_relaxed(&lane->held);
}

/* The block that holds the next entry to run. */
static ob__block *block_advance(ob__lane *lane) {
  ob__block *done = lane->head_block, *next;
  if (lane->head_index < OB__BLOCK_ENTRIES) return done;
  next = ob__load_acquire(&done->next);
  lane->head_block = next;
  lane->head_index = 0;
  done = ob__xchg_acq_rel(&lane->spare, done);
  free(done);
  return next;
}

void ob__lane_run(ob_node *node, int status) {
  ob__lane *lane = (ob__lane *)node;
  ob_engine *engine = lane->engine;
  uint64_t tail, head = lane->head, posts = 0;
  int ended = lane->ended;
  ob__entry entry;
  (void)status;
  engine->budget++; /* the lane itself is no work */
  /* Before the tail is read: pairs with the exchange in ob__lane_append. */
  ob__xchg_acq_rel(&lane->scheduled, 0u);
  tail = ob__load_acquire(&lane->tail);
  ob__note_found(engine, tail - head);
  while (head != tail && engine->budget > 0) {
    entry = block_advance(lane)->entries[lane->head_index++];
    engine->budget--;
    posts += entry.fn != ob__request_entry && entry.fn != ob__bare_entry;
    ob__exit_check(engine);
    entry.fn(entry.arg, (int)engine->drain_status);
    head++;
    if ((head & 63) == 0) ob__store_release(&lane->head, head);
  }
  /* Release: room for the producer, and what the entries did. */
  ob__store_release(&lane->head, head);
  /* The entry that ends a lane was nobody's post. */
  ob__count(&engine->n_completed, posts - (uint64_t)(lane->ended - ended));
  if (head != tail) {
    /* Budget spent: stay in line, unless the producer has queued us already. */
    if (ob__xchg_acq_rel(&lane->scheduled, 1u) == 0)
      ob__ready_append(engine, &lane->node);
  } else if (lane->ended && ob__load_acquire(&lane->scheduled) == 0) {
    ob__lane_retire(lane);
  }
}

void ob__lane_free_blocks(ob__lane *lane) {
  ob__block *block = lane->head_block, *next;
  for (; block != NULL; block = next) {
    next = block->next;
    free(block);
  }
  lane->head_block = lane->tail_block = NULL;
  lane->head_index = lane->tail_index = 0;
}
