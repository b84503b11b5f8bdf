/* The drain: takes what is queued and runs it in bounded batches.
 *
 * A node's run function says what it is: a bare or full request, a call in the
 * box, a lane, a Swift job, the caller's own. Wakes of parked callers are
 * collected for a few items: the parkers were read before the RMWs, and outlive
 * their threads. */
#include "internal.h"

void ob__ready_append(ob_engine *engine, ob_node *node) {
  node->next = NULL;
  if (engine->ready == NULL)
    engine->ready = node;
  else
    engine->ready_tail->next = node;
  engine->ready_tail = node;
}

void ob__wake_flush(ob_engine *engine) {
  if (engine->wake_count > 0) engine->woke = 1;
  ob__unpark_all(engine->wakes, engine->wake_count);
  engine->wake_count = 0;
}

void ob__wake_later(ob_engine *engine, ob__parker *parker) {
  if (engine->wake_count == sizeof engine->wakes / sizeof engine->wakes[0])
    ob__wake_flush(engine);
  if (engine->wake_count == 0) engine->wake_since = ob__now();
  engine->wakes[engine->wake_count++] = parker;
}

/* Moves what was pushed behind what is left over. */
static void grab(ob_engine *engine) {
  ob_node *first = ob__queue_take(engine);
  uint64_t count = 0;
  engine->found = 0;
  if (first == NULL) return;
  engine->batches++;
  if (engine->ready == NULL)
    engine->ready = first;
  else
    engine->ready_tail->next = first;
  for (; first != NULL; first = first->next) {
    engine->ready_tail = first;
    count++;
  }
  ob__note_found(engine, count);
}

/* For the statistics: the most items found by one drain. */
void ob__note_found(ob_engine *engine, uint64_t count) {
  engine->found += count;
  if (engine->found > engine->n_high_water)
    ob__store_relaxed(&engine->n_high_water, engine->found);
}

uint32_t ob__drain(ob_engine *engine) {
  uint32_t limit = engine->opts.batch_limit;
  int watch = ob__watch_on(engine);
  ob_node *node;
#ifdef OB_BREAK_BATCH
  limit = UINT32_MAX;
#endif
  engine->budget = limit;
  grab(engine);
  while ((node = engine->ready) != NULL && engine->budget > 0) {
    engine->ready = node->next;
    if (engine->ready != NULL) __builtin_prefetch(engine->ready);
    engine->budget--;
    ob__exit_check(engine);
    if (OB_UNLIKELY(watch)) ob__beat(engine);
    OB__CALL_OUT(node->run(node, (int)engine->drain_status));
    ob__wake_aged(engine);
#ifdef OB_BREAK_BATCH
    if (engine->ready == NULL) grab(engine);
#endif
  }
  if (engine->wake_count > 0) ob__wake_flush(engine);
  ob__freed_flush(engine);
  if (OB_UNLIKELY(ob__load_relaxed(&engine->room_waiters) > 0))
    ob__room_freed(engine);
  return limit - engine->budget;
}
