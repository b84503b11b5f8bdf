/* Lanes: single-producer segmented rings, scheduled through the push list.
 * queue.h has the protocol. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define STREAM 16u     /* batches in a row */
#define FILL_PAUSES 32 /* under a microsecond */
#define FILL_SKIP 32u  /* batches without it where it did not pay */

/* What an entry's fn says when it is no function. */
#define SKIP ((ob_post_fn)(uintptr_t)1)     /* the block ends here */
#define MEASURED ((ob_post_fn)(uintptr_t)2) /* the next is; a stamp follows */

typedef struct stamp {
  uint64_t enqueued, weight;
} stamp;
#define STAMP_SLOTS (uint32_t)(1 + sizeof(stamp) / sizeof(ob__entry))

void ob__lane_init(ob__lane *lane) {
  /* cache, returned, blocks and spare stay: memory of requests and blocks
   * serves the next thread, and late frees push onto returned at any time. */
  lane->node = (ob_node){.run = ob__lane_run};
  lane->again = (ob_node){.run = ob__lane_again};
  lane->in_ready = 0;
  lane->tail_block = lane->head_block = NULL;
  lane->tail_index = lane->head_index = lane->room = 0;
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
  lane->streak = lane->fill_skip = 0;
  lane->room_quota = 0;
  lane->last_batch = 0;
  lane->box.word = lane->box.state = 0;
}

/* Producer: one that the loop has drained, or a new one. */
static ob__block *block_take(ob__lane *lane) {
  ob__block *block = lane->blocks;
  if (block == NULL) block = ob__xchg_acq_rel(&lane->spare, NULL);
  if (block != NULL)
    lane->blocks = block->next;
  else
    block = malloc(sizeof *block);
  if (block != NULL) block->next = NULL;
  return block;
}

/* Loop: keeps a few for the producer. */
static void block_give(ob__lane *lane, ob__block *block) {
  ob__block *seen = ob__load_acquire(&lane->spare);
  do {
    block->depth = seen != NULL ? seen->depth + 1 : 0;
    if (block->depth == OB__SPARE_MOST) {
      free(block);
      return;
    }
    ob__store_relaxed(&block->next, seen);
    /* Release: the loop is through with the entries. */
  } while (!ob__cas_weak_acq_rel(&lane->spare, &seen, block));
}

/* Room for so many entries in a row, or NULL when out of memory. */
static ob__entry *entries_next(ob__lane *lane, uint32_t count) {
  ob__block *block;
  if (OB_LIKELY(lane->tail_block != NULL &&
                lane->tail_index + count <= OB__BLOCK_ENTRIES))
    return &lane->tail_block->entries[lane->tail_index];
  block = block_take(lane);
  if (block == NULL) return NULL;
  /* Published by the tail of the entry that will be the block's first. */
  if (lane->tail_block != NULL) {
    if (lane->tail_index < OB__BLOCK_ENTRIES)
      lane->tail_block->entries[lane->tail_index].fn = SKIP;
    ob__store_release(&lane->tail_block->next, block);
  } else {
    ob__store_release(&lane->head_block, block);
  }
  lane->tail_block = block;
  lane->tail_index = 0;
  return &block->entries[0];
}

/* Publishes what was written at the tail, one item of so many entries, and
 * schedules the lane. */
static int publish(ob__lane *lane, uint32_t count) {
  int rc;
  lane->tail_index += count;
  ob__store_release(&lane->tail, lane->tail + 1);
#ifdef OB_BREAK_WAKE /* uv_async_send's early return */
  if (ob__load_relaxed(&lane->scheduled) == OB__LANE_QUEUED) return OB_OK;
  ob__store_relaxed(&lane->scheduled, OB__LANE_QUEUED);
#else
  /* Pairs with the exchange in ob__lane_run: if this finds QUEUED, that one
   * comes later and will see the tail. */
  if (ob__xchg_acq_rel(&lane->scheduled, OB__LANE_QUEUED) == OB__LANE_QUEUED)
    return OB_OK;
#endif
  rc = ob__push_or_undo(lane, &lane->node);
  if (OB_LIKELY(rc == OB_OK)) return OB_OK;
  /* The loop reads a lane whenever it comes round to it: it may have run the
   * entry before it closed. If not, nobody will, and it can be had back. */
#ifndef OB_BREAK_UNDO
  if (ob__load_acquire(&lane->head) == lane->tail) rc = OB_OK;
#endif
  if (rc != OB_OK) {
    lane->tail_index -= count;
    ob__store_release(&lane->tail, lane->tail - 1);
  }
  /* In either case the node is in no list: the next entry must push it. */
  ob__store_release(&lane->scheduled, OB__LANE_IDLE);
  return rc;
}

static OB__COLD ob__entry *measured_next(ob__lane *lane, uint32_t *count,
                                         uint32_t weight) {
  ob__entry *entry;
  stamp when;
  *count += STAMP_SLOTS;
  entry = entries_next(lane, *count);
  if (entry == NULL) return NULL;
  when = (stamp){lane->look_time, weight};
  entry->fn = MEASURED;
  memcpy(entry + 1, &when, sizeof when);
  return entry + STAMP_SLOTS;
}

/* Room for an item behind a stamp, if it is measured; *count grows by that. */
static inline ob__entry *item_next(ob__lane *lane, uint32_t *count) {
  uint32_t weight = ob__look_due(lane->engine, lane);
  return OB_LIKELY(weight == 0) ? entries_next(lane, *count)
                                : measured_next(lane, count, weight);
}

static inline int append(ob__lane *lane, ob__entry *entry, uint32_t count,
                         ob_post_fn fn, void *arg) {
#ifdef OB_BREAK_NO_BLOCK
  if (entry == NULL) return OB_OK;
#endif
  if (OB_UNLIKELY(entry == NULL)) return OB_ENOMEM;
  entry->fn = fn;
  entry->arg = arg;
  return publish(lane, count);
}

int ob__lane_append(ob__lane *lane, ob_post_fn fn, void *arg) {
  return append(lane, entries_next(lane, 1), 1, fn, arg);
}

int ob__lane_append_post(ob__lane *lane, ob_post_fn fn, void *arg) {
  uint32_t count = 1;
  ob__entry *entry = item_next(lane, &count);
  return append(lane, entry, count, fn, arg);
}

int ob__lane_append_call(ob__lane *lane, const ob_call_opts *opts) {
  ob_post_fn word = ob__item_word(opts);
  uint32_t count = ob__item_slots(word);
  ob__entry *entry = item_next(lane, &count);
  if (OB_UNLIKELY(entry == NULL)) return OB_ENOMEM;
  ob__item_write(entry, word, opts);
  return publish(lane, count);
}

int ob__lane_idle(const ob__lane *lane) {
#ifdef OB_BREAK_FIFO
  (void)lane;
  return 1;
#else
  /* Acquire: what the loop ran before it left the lane. IDLE also says that the
   * loop is not about to read a tail that we have yet to write; an empty lane
   * alone does not. Only this thread can make an idle lane busy, so the answer
   * stays true. */
#ifndef OB_BREAK_HELD
  if (ob__load_acquire(&lane->scheduled) != OB__LANE_IDLE) return 0;
#endif
  return lane->tail == ob__load_acquire(&lane->head);
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
  if (lane->head_index < OB__BLOCK_ENTRIES &&
      done->entries[lane->head_index].fn != SKIP)
    return done;
  next = ob__load_acquire(&done->next);
  lane->head_block = next;
  lane->head_index = 0;
  block_give(lane, done);
  return next;
}

/* A call that travels in the lane. Its block stays until the next entry. */
static void run_call(ob__lane *lane, const ob__entry *entry, ob__look *look) {
  lane->head_index += ob__item_slots(entry->fn) - 1;
  ob__item_run(lane->engine, entry, look);
}

/* What says that the next item is measured; that item. */
static OB__COLD const ob__entry *read_stamp(ob__lane *lane,
                                            const ob__entry *entry,
                                            ob__look *look) {
  stamp when;
  memcpy(&when, entry + 1, sizeof when);
  *look =
      (ob__look){.enqueued = when.enqueued, .weight = (uint32_t)when.weight};
  lane->head_index += STAMP_SLOTS;
  return entry + STAMP_SLOTS;
}

static OB__COLD void run_measured(ob_engine *engine, const ob__entry *entry,
                                  ob__look *look) {
  ob_post_fn fn = entry->fn;
  void *arg = entry->arg;
  int status = (int)engine->drain_status;
  /* Before it runs: a node may be gone after. */
  ob_call_record who = ob__who(NULL, ob__post_function(fn, arg), status);
  if (status == OB_OK) ob__look_begin(engine, look);
  OB__CALL_OUT(fn(arg, status));
  if (status == OB_OK) ob__look_return(engine, look);
  ob__look_end(engine, look, look->returned, &who);
  look->weight = 0;
}

/* Runs entries up to tail, or until the budget is spent. */
static void run_entries(ob__lane *lane, uint64_t tail) {
  ob_engine *engine = lane->engine;
  uint64_t head = lane->head, posts = 0;
  int ended = lane->ended, is_call, is_item;
  uint32_t *beat = ob__beat_of(engine); /* watched; else NULL */
  ob_handler outer = engine->current_handler;
  const ob__entry *entry;
  ob__look look;
  look.weight = 0;
#ifdef OB_BREAK_BEAT /* counts what the drain takes, not what a lane holds */
  beat = NULL;
#endif
  while (head != tail && engine->budget > 0) {
    entry = &block_advance(lane)->entries[lane->head_index];
    lane->head_index++;
    engine->budget--;
    if (OB_UNLIKELY(entry->fn == MEASURED))
      entry = read_stamp(lane, entry, &look);
    is_item = ob__is_item(entry->fn);
    is_call = is_item || entry->fn == ob__request_entry;
    posts += !is_call;
    /* A call may run long: from here on it is not queued any more. */
    if (is_call) ob__store_release(&lane->head, head + 1);
    ob__exit_check(engine);
    if (OB_UNLIKELY(beat != NULL)) {
      ob__count(beat, 1);
      if (!is_call)
        ob__store_relaxed(&engine->current_handler,
                          (ob_handler)(uintptr_t)entry->fn);
    }
    if (is_item)
      run_call(lane, entry, look.weight != 0 ? &look : NULL), look.weight = 0;
    else if (OB_UNLIKELY(look.weight != 0))
      run_measured(engine, entry, &look);
    else
      OB__CALL_OUT(entry->fn(entry->arg, (int)engine->drain_status));
    ob__wake_aged(engine);
    head++;
    if ((head & 63) == 0) ob__store_release(&lane->head, head);
  }
  if (OB_UNLIKELY(beat != NULL))
    ob__store_relaxed(&engine->current_handler, outer);
  /* Release: room for the producer, and what the entries did. */
  ob__store_release(&lane->head, head);
  posts -= (uint64_t)(lane->ended - ended); /* the last was nobody's post */
  ob__count(&engine->n_completed, posts);
  if (engine->drain_status != 0) ob__count(&engine->n_cancelled, posts);
}

static void run_lane(ob__lane *lane) {
  ob_engine *engine = lane->engine;
  uint64_t tail = ob__load_acquire(&lane->tail);
  uint32_t held = OB__LANE_HELD;
  run_entries(lane, tail);
  if (lane->in_ready) return; /* that run ends it */
  if (lane->head != tail) {
    /* Budget spent: stay in line by a node of the loop's own. Its producer may
     * be about to push the other one, and may take its time. */
    lane->in_ready = 1;
    ob__ready_append(engine, &lane->again);
    return;
  }
  /* Fails when the producer has queued the lane anew. */
  if (ob__cas_acq_rel(&lane->scheduled, &held, OB__LANE_IDLE) && lane->ended)
    ob__lane_retire(lane);
}

/* A loop as fast as its producer would fetch each entry singly, and both would
 * pay for the handing over. With nothing else to do it lets a lane fill that
 * has been in every batch for a while; meanwhile the producer need not push. */
static void let_fill(ob__lane *lane) {
  ob_engine *engine = lane->engine;
  uint64_t half = 0;
  int i;
  lane->streak = lane->last_batch + 1 >= engine->batches ? lane->streak + 1 : 0;
  lane->last_batch = engine->batches;
  if (lane->streak < STREAM) return;
  if (lane->fill_skip > 0) {
    lane->fill_skip--;
    return;
  }
  for (i = 0; i < FILL_PAUSES; i++) {
    if (engine->ready != NULL || !ob__queue_empty(engine)) return;
    if (i == FILL_PAUSES / 2) half = ob__load_relaxed(&lane->tail);
    ob__pause();
  }
  /* A producer that stands still waits for us, or for our CPU. */
  if (ob__load_relaxed(&lane->tail) == half) lane->fill_skip = FILL_SKIP;
}

void ob__lane_run(ob_node *node, int status) {
  ob__lane *lane = (ob__lane *)node;
  uint64_t found;
  (void)status;
  let_fill(lane);
  found = ob__load_relaxed(&lane->tail) - lane->head;
  lane->engine->budget++; /* the lane itself is no work */
  if (found > 0) ob__note_found(lane->engine, found - 1);
  /* Before the tail is read: pairs with the exchange in publish. */
  ob__xchg_acq_rel(&lane->scheduled, OB__LANE_HELD);
  run_lane(lane);
}

void ob__lane_again(ob_node *node, int status) {
  ob__lane *lane =
      (ob__lane *)((char *)node - offsetof(struct ob__lane, again));
  (void)status;
  lane->engine->budget++;
  lane->in_ready = 0;
  run_lane(lane);
}

int ob__lane_catch_up(ob__lane *lane, uint64_t tail) {
  /* Signed: the loop may be past it. */
  if ((int64_t)(tail - lane->head) > 0) run_entries(lane, tail);
  return (int64_t)(tail - lane->head) <= 0;
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
