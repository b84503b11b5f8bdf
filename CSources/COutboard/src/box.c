/* The box: how a caller that has the loop to itself hands in its calls.
 *
 * Through the push list a call between two processors costs four transfers of a
 * cache line: the request back to its writer, the list's head, the request to
 * the loop, the answer. A loop that polls the request's own line, and an answer
 * in another, cost two. So the loop opens the box of the thread whose calls it
 * has been answering alone, and looks there beside the list.
 *
 *   word == seen    open, nothing in it; seen is the loop's
 *   word == seen+1  a call: the caller's CAS from seen, after it wrote the rest
 *   word == 0       closed: use the list. The loop's CAS from seen, before it
 *                   sleeps or ends, or when another thread calls alone
 *
 * One CAS decides between a call and a closed box, so a call in the box is
 * always found: no lost wake-up, and nobody looks into a box of an engine that
 * has ended. The loop opens a box only while its thread is blocked in a call,
 * and a thread that ends with an open one has the loop close it (thread.c).
 *
 * A call in the box comes before whatever is pushed after the loop has found
 * it, and after everything in the list that its caller could know of, for that
 * is taken after the box was looked at (queue.c). */
#include <stddef.h>
#include <string.h>

#include "internal.h"

#define NUMBER_SHIFT 8 /* of state: the bits below are flags */
#define NUMBER_MAX 0xffffffu

static uint32_t next_number(uint32_t number) {
  return number == NUMBER_MAX ? 1 : number + 1; /* 0 is closed */
}

/* --- Caller -----------------------------------------------------------------
 */

static void fill(ob__box *box, const ob_call_opts *opts) {
  box->caller_cpu = ob__cpu();
  box->handler = opts->handler;
  box->user = opts->user;
  box->name = opts->name;
  box->input = opts->input;
  box->input_size = opts->input_size;
  box->copied = 0;
  /* With size 0 the pointer is the input. */
  if ((opts->flags & (OB_CALL_COPY | OB_CALL_BORROW)) == OB_CALL_COPY &&
      opts->input_size > 0 && opts->input_size <= sizeof box->copy) {
    memcpy(box->copy, opts->input, opts->input_size);
    box->copied = 1;
  }
}

static void await(ob_engine *engine, ob__thread *self, ob__box *box,
                  uint32_t number) {
  uint32_t answered = number << NUMBER_SHIFT, old;
  ob__watch watch = {&box->state, ~OB__WAITERS, answered};
  if (ob__spin_caller(engine, self, watch)) return;
  ob__block_begin(self);
  /* Pairs with the exchange in ob__box_run: one of the two sees the other. */
  old = ob__or_acq_rel(&box->state, OB__WAITERS);
  while ((old & ~OB__WAITERS) != answered) {
    ob__park(&self->parker, OB_FOREVER);
    old = ob__load_acquire(&box->state);
  }
  ob__store_relaxed(&box->state, answered); /* it may have come before the OR */
  ob__block_end(self);
}

int ob__box_call(ob_engine *engine, ob__lane *lane, const ob_call_opts *opts,
                 ob_result *out, int *status) {
  ob__box *box = &lane->box;
  uint32_t number = ob__load_relaxed(&box->word), next = next_number(number);
  if (number == 0) return 0;
  fill(box, opts);
  box->weight = ob__look_due(engine, lane);
  if (OB_UNLIKELY(box->weight != 0)) box->enqueued = lane->look_time;
  /* Release: the call, to the acquire in ob__box_take. Read-modify-write:
   * against the loop's in ob__box_close. */
  if (!ob__cas_acq_rel(&box->word, &number, next)) return 0;
  await(engine, lane->thread, box, next);
  ob__prefetch_write(box); /* for the next call, before the loop looks again */
  *out = box->result;
  *status = box->status;
  return 1;
}

/* --- Loop -------------------------------------------------------------------
 */

int ob__box_full(const ob_engine *engine) {
  return engine->box_lane != NULL &&
         ob__load_acquire(&engine->box_lane->box.word) != engine->box_seen;
}

ob_node *ob__box_take(ob_engine *engine) {
  ob__box *box;
  if (engine->box_lane == NULL) return NULL;
  box = &engine->box_lane->box;
  if (ob__load_acquire(&box->word) == engine->box_seen) return NULL;
  engine->box_seen = next_number(engine->box_seen);
  engine->box_taken = 1;
  ob__prefetch_write(&box->state); /* for the answer */
  /* What the handler will look at, and write to if it is a closure's context;
   * harmless if it is no address. */
  if (!box->copied) {
    ob__prefetch_write(box->input);
    ob__prefetch_write((void *)((uintptr_t)box->input + 64));
  }
  return &engine->box_request.node;
}

int ob__box_close(ob_engine *engine) {
  uint32_t seen = engine->box_seen;
  if (engine->box_lane == NULL) return 1;
#ifndef OB_BREAK_BOX_TAKEN
  if (engine->box_taken) return 0;
#endif
#ifdef OB_BREAK_BOX /* a look and a store, as two steps */
  if (ob__box_full(engine)) return 0;
  ob__pause();
  ob__store_seq(&engine->box_lane->box.word, 0u);
#else
  if (!ob__cas_acq_rel(&engine->box_lane->box.word, &seen, 0u)) return 0;
#endif
  engine->box_lane = NULL;
  return 1;
}

void ob__box_open(ob_engine *engine, ob__lane *lane) {
  uint32_t number = ob__load_relaxed(&lane->box.state) >> NUMBER_SHIFT;
  if (engine->opts.spin_ns == 0 || ob__load_relaxed(&engine->stop) != 0 ||
      !ob__box_close(engine))
    return;
  engine->box_lane = lane;
  engine->box_thread = lane->thread;
  engine->box_seen = number != 0 ? number : 1;
  /* Release: nothing but the word itself; its owner is blocked. */
  ob__store_release(&lane->box.word, engine->box_seen);
}

static void unpack(ob_engine *engine, const ob__box *box) {
  ob_request *request = &engine->box_request;
  request->engine = engine;
  request->flags = OB_CALL_SYNC;
  request->handler = box->handler;
  request->user = box->user;
  request->name = box->name;
  request->input = box->input;
  request->input_size = box->input_size;
  request->status = (int)engine->drain_status;
  request->result = ob_result_none();
  if (box->copied) /* the slot serves as long as the input: until the answer */
    request->input =
        memcpy(request->result.u.bytes, box->copy, sizeof box->copy);
}

void ob__box_run(ob_node *node, int status) {
  ob_request *request = (ob_request *)node;
  ob_engine *engine =
      (ob_engine *)((char *)node - offsetof(struct ob_engine, box_request));
  ob__lane *lane = engine->box_lane;
  ob__box *box = &lane->box;
  ob__thread *caller = engine->box_thread;
  uint32_t old;
  engine->caller_cpu = box->caller_cpu;
  ob__note_caller(engine, lane);
  unpack(engine, box);
  if (OB_UNLIKELY(box->weight != 0)) {
    ob__look look = {.enqueued = box->enqueued, .weight = box->weight};
    ob__bare_measured(request, &look);
  } else if (OB_LIKELY(status == OB_OK)) {
    ob__bare_inline(request);
  }
  if (OB_UNLIKELY(status != OB_OK)) ob__count(&engine->n_cancelled, 1);
  ob__count(&engine->n_completed, 1);
  engine->box_taken = 0;
  box->status = request->status;
  box->result = request->result;
  /* The last touch of the call. Pairs with the acquire loads and the OR in
   * await. */
  old = ob__xchg_acq_rel(&box->state, engine->box_seen << NUMBER_SHIFT);
  if (old & OB__WAITERS) ob__wake_later(engine, &caller->parker);
}
