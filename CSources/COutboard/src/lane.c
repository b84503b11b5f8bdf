/* Lanes: single-producer segmented rings, scheduled through the push list.
 * queue.h has the protocol. */
#include <stdlib.h>

#include "internal.h"

void ob__lane_init(ob__lane *lane) {
  /* cache, returned and spare stay: memory of requests and blocks serves the
   * next thread, and late frees push onto returned at any time. */
  lane->node = (ob_node){.run = ob__lane_run};
  lane->tail_block = lane->head_block = NULL;
  lane->tail_index = lane->head_index = 0;
  ob__store_relaxed(&lane->tail, UINT64_C(0));
  ob__store_relaxed(&lane->head, UINT64_C(0));
  ob__store_relaxed(&lane->listed, UINT64_C(0));
  ob__store_relaxed(&lane->unlisted, UINT64_C(0));
  ob__store_relaxed(&lane->held, UINT64_C(0));
  ob__store_relaxed(&lane->n_submitted, UINT64_C(0));
  ob__store_relaxed(&lane->n_refused, UINT64_C(0));
  ob__store_relaxed(&lane->n_wakes, UINT64_C(0));
  ob__store_relaxed(&lane->quota, UINT64_C(0));
  ob__store_relaxed(&lane->scheduled, 0u);
  lane->ended = 0;
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
  ob__entry *entry = entry_next(lane);
  int rc;
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
  rc = ob__push_or_undo(lane, &lane->node);
  if (OB_LIKELY(rc == OB_OK)) return OB_OK;
  /* Nobody reads a lane that is not scheduled: the entry can be had back. */
  lane->tail_index--;
  ob__store_release(&lane->tail, lane->tail - 1);
  ob__store_release(&lane->scheduled, 0u);
  return rc;
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
  return ob__push_or_undo(lane, node);
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
  int ended = lane->ended, is_call;
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
    is_call = entry.fn == ob__request_entry || entry.fn == ob__bare_entry;
    posts += !is_call;
    /* A call may run long: from here on it is not queued any more. */
    if (is_call) ob__store_release(&lane->head, head + 1);
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
