/* The push list: see queue.h for the protocol and what it was chosen over. */
#include "internal.h"

int ob__queue_push(ob_engine *engine, ob_node *node) {
  /* A guess: a load would first fetch the line to read it. */
  ob_node *seen = OB__EMPTY;
  do {
    if (OB_UNLIKELY(seen == OB__CLOSED)) {
#ifndef OB_BREAK_CLOSED
      /* Acquire: what the loop ran before it closed (lane.c, publish, asks). */
      (void)ob__load_acquire(&engine->head);
      return OB__PUSH_CLOSED;
#endif
    }
    ob__store_relaxed(&node->next, OB__IS_TAG(seen) ? OB__EMPTY : seen);
    /* Release: the node's content, to the exchange in ob__queue_take.
     * Read-modify-write: pairs with the loop's CAS in ob__queue_sleep, so that
     * either that fails or this sees SLEEPING. */
  } while (!ob__cas_weak_acq_rel(&engine->head, &seen, node));
  return seen == OB__SLEEPING ? OB__PUSH_ASLEEP : OB__PUSH_AWAKE;
}

int ob__push_exempt(ob_engine *engine, ob_node *node) {
  int found = ob__queue_push(engine, node), woke;
  if (found == OB__PUSH_CLOSED) return OB_ESHUTDOWN;
  if (found != OB__PUSH_ASLEEP) return OB_OK;
  woke = ob__wake(engine);
  if (OB_UNLIKELY(woke < 0)) ob__lose(engine, -woke);
  if (woke > 0) ob__add_relaxed(&engine->own_wakes, UINT64_C(1));
  return OB_OK;
}

int ob__push_last(ob_engine *engine, ob_node *node) {
  int rc;
  ob__add_relaxed(&engine->inside, 1u);
  rc = ob__push_exempt(engine, node);
  /* Release: pairs with the acquire in ob__engine_free. */
  ob__sub_acq_rel(&engine->inside, 1u);
  return rc;
}

static int push_and_wake(ob__lane *lane, ob_node *node) {
  ob_engine *engine = lane->engine;
  int found = ob__queue_push(engine, node), woke, undone;
  ob_node *mine = node;
  if (OB_LIKELY(found == OB__PUSH_AWAKE)) return OB_OK;
  if (found == OB__PUSH_CLOSED) return OB_ESHUTDOWN;
  woke = ob__wake(engine);
  if (OB_LIKELY(woke >= 0)) {
    ob__count(&lane->n_wakes, (uint64_t)woke);
    return OB_OK;
  }
  /* The loop sleeps without descriptors. Alone in the list, the node can be had
   * back; behind another, or with a loop that another has told, it stays. */
  undone = ob__cas_acq_rel(&engine->head, &mine, OB__SLEEPING);
  ob__lose(engine, -woke); /* after that: the loop would take it */
  return undone ? OB_EBROKEN : OB_OK;
}

int ob__push_or_undo(ob__lane *lane, ob_node *node) {
  int rc;
  /* What is pushed may dispose of the engine before we have woken it. Freeing
   * waits for this flag, which the push has published: it lies in the lane,
   * since a shared count would cost each submission two locked instructions. */
  ob__store_relaxed(&lane->pushing, 1u);
  rc = push_and_wake(lane, node);
  ob__store_release(&lane->pushing, 0u);
  return rc;
}

static ob_node *take_list(ob_engine *engine) {
  ob_node *node, *next, *first = NULL;
  node = ob__load_relaxed(&engine->head);
  if (OB__IS_TAG(node)) return NULL;
  /* All that is needed next, at once. */
  ob__prefetch_write(node);
  ob__prefetch_write((char *)node + 64);
  /* Acquire: pairs with the release in ob__queue_push. */
  node = ob__xchg_acq_rel(&engine->head, OB__EMPTY);
  if (OB__IS_TAG(node)) return NULL;
  for (; node != NULL; node = next) {
    next = ob__load_relaxed(&node->next);
    ob__store_relaxed(&node->next, first);
    first = node;
  }
  return first;
}

/* The box was looked at first: what its caller knows of is in the list by then,
 * and comes before it. */
ob_node *ob__queue_take(ob_engine *engine) {
#ifdef OB_BREAK_BOX_ORDER /* the other way round, and a window, made wider */
  ob_node *first = take_list(engine), *boxed, *last;
  for (int i = 0; i < 100; i++) ob__pause();
  boxed = ob__box_take(engine);
#else
  ob_node *boxed = ob__box_take(engine), *first = take_list(engine), *last;
#endif
  if (OB_LIKELY(boxed == NULL)) return first;
  boxed->next = NULL;
  if (OB_LIKELY(first == NULL)) return boxed;
  for (last = first; last->next != NULL; last = last->next) {
  }
  last->next = boxed;
  return first;
}

int ob__queue_sleep(ob_engine *engine) {
  ob_node *seen = OB__EMPTY;
  if (!ob__box_close(engine)) return 0;
#ifdef OB_BREAK_SLEEP /* a look and a store, as two steps */
  if (!ob__queue_empty(engine)) return 0;
  ob__pause();
  ob__store_seq(&engine->head, OB__SLEEPING);
  return 1;
#endif
  return ob__cas_acq_rel(&engine->head, &seen, OB__SLEEPING) ||
         seen == OB__SLEEPING;
}

void ob__queue_awake(ob_engine *engine) {
  ob_node *seen = OB__SLEEPING;
  if (ob__load_relaxed(&engine->head) != OB__SLEEPING) return;
  ob__cas_acq_rel(&engine->head, &seen, OB__EMPTY);
}

int ob__queue_close(ob_engine *engine) {
  ob_node *seen = OB__EMPTY;
  return ob__box_close(engine) &&
         ob__cas_acq_rel(&engine->head, &seen, OB__CLOSED);
}

int ob__queue_empty(const ob_engine *engine) {
  return OB__IS_TAG(ob__load_relaxed(&engine->head)) && !ob__box_full(engine);
}
