/* More of outboard_spi.h: hops, the leanest way from a Swift task to the loop
 * and back, and errands, the leanest way there.
 *
 * A hop has no ticket, no deadline, no callback: one state word, two owners.
 *
 *   BEGUN      the body has been started      loop, CAS, fails when DONE
 *   CANCEL     cancellation was asked for     any thread, OR
 *   DONE       the outcome is decided         loop, or cancel while not BEGUN
 *   WATCHED    the awaiter looks at the word and resumes itself; set at first
 *
 * Whoever sets DONE without finding WATCHED resumes the awaiter; there is
 * exactly one such. An awaiter that stops looking clears WATCHED by a
 * read-modify-write: if it finds DONE there, it resumes itself. So a hop that
 * is cancelled before it is submitted, or refused, is its awaiter's alone. */
#include "internal.h"

#define BEGUN 0x1u
#define CANCEL 0x2u
#define DONE 0x4u
#define WATCHED 0x8u

/* What stop's report shows with a name. */
static void swift_body(ob_request *request, void *input, size_t size,
                       void *user) {
  (void)request, (void)input, (void)size, (void)user;
}

/* Sets DONE and resumes, if nobody has; the awaiter may end the hop at once. */
static void end(ob_hop *hop) {
  uint32_t old = ob__or_acq_rel(&hop->state, DONE);
  if (!(old & WATCHED)) hop->resume(hop);
}

/* A hop or an errand, as the loop is to see it: for stop's report, and perhaps
 * measured. */
typedef struct body {
  const char *name;
  uint64_t enqueued;
  uint32_t weight; /* 0: not measured */
  void (*run)(ob_node *node, int status);
} body;

static void run_body(ob_engine *engine, body what, ob_node *node, int status) {
  const char *outer_name = engine->current_name;
  ob_handler outer_handler = engine->current_handler;
  ob__look look = {.enqueued = what.enqueued, .weight = what.weight};
  ob_call_record who = {0};
  int measured = OB_UNLIKELY(what.weight != 0);
  if (measured) who = ob__who(what.name, 0, status);
  ob__store_relaxed(&engine->current_name, what.name);
  ob__store_relaxed(&engine->current_handler, swift_body);
  if (measured && status == OB_OK) ob__look_begin(engine, &look);
  what.run(node, status);
  ob__exit_check(engine);
  if (measured && status == OB_OK) ob__look_return(engine, &look);
  if (measured) ob__look_end(engine, &look, look.returned, &who);
  ob__store_relaxed(&engine->current_name, outer_name);
  ob__store_relaxed(&engine->current_handler, outer_handler);
}

static void hop_body(ob_node *node, int status) {
  ob_hop *hop = (ob_hop *)node;
  if (status == OB_OK) hop->body(hop);
}

/* Loop thread. Whoever cancelled has resumed the awaiter; the hop itself stays
 * until the loop lets go. */
static void hop_run(ob_node *node, int status) {
  ob_hop *hop = (ob_hop *)node;
  ob_engine *engine = hop->engine;
  ob__lane *lane = hop->lane;
  uint32_t old = ob__load_acquire(&hop->state);
  if (lane != NULL) /* not queued any more: room for its producer */
    ob__store_release(&lane->unlisted, lane->unlisted + 1);
  while (!(old & DONE) &&
         !ob__cas_weak_acq_rel(&hop->state, &old, old | BEGUN)) {
  }
  if (!(old & DONE)) {
    engine->caller_cpu = hop->caller_cpu;
    hop->status = status;
    run_body(engine, (body){hop->name, hop->enqueued, hop->weight, hop_body},
             node, status);
  }
  /* An entry of a lane is counted there, as a post. */
  if (lane != NULL) ob__count(&engine->n_completed, 1);
  if ((old & DONE) || (lane != NULL && status != OB_OK))
    ob__count(&engine->n_cancelled, 1);
  if (!(old & DONE)) end(hop);
  hop->release(hop);
}

static void hop_entry(void *hop, int status) {
  hop_run(hop, status);
}

/* Onto the list, or behind what this thread has posted. *listed: whose count
 * of listed items it is in, or NULL; set before it may run. */
static int push(ob__lane *lane, ob_node *node, ob__lane **listed,
                ob_post_fn entry) {
  int rc;
  *listed = NULL;
  if (ob__lane_idle(lane)) {
    *listed = lane;
    ob__store_relaxed(&lane->listed, lane->listed + 1);
    rc = ob__lane_push(lane, node);
    if (rc != OB_OK) ob__store_relaxed(&lane->listed, lane->listed - 1);
  } else {
    rc = ob__lane_append(lane, entry, node);
  }
  return rc == OB_OK ? OB_OK : ob__refuse(lane->engine, rc);
}

void ob_spi_hop_init(ob_hop *hop) {
  hop->node.run = hop_run;
  hop->state = WATCHED;
}

int ob_spi_hop_submit(ob_engine *engine, ob_hop *hop) {
  ob__lane *lane;
  int rc = ob__enter(engine);
  if (rc != OB_OK) return rc;
  lane = ob__lane_get(engine);
  if (OB_UNLIKELY(lane == NULL))
    return ob__fail(OB_ENOMEM, "no memory for this thread's lane");
  if (ob__load_acquire(&hop->state) & DONE)
    return ob__fail(OB_ECANCELED, "cancelled before it was submitted");
  hop->engine = engine;
  hop->caller_cpu = ob__cpu();
  hop->weight = ob__look_due(engine, lane);
  if (OB_UNLIKELY(hop->weight != 0)) hop->enqueued = lane->look_time;
  rc = ob__room_take(lane, 1, OB_FOREVER);
  if (rc == OB_OK) rc = push(lane, &hop->node, &hop->lane, hop_entry);
  return ob__counted(lane, rc);
}

int ob_spi_hop_watch(ob_engine *engine, ob_hop *hop) {
  return ob__spin_awaiter(engine, (ob__watch){&hop->state, DONE, DONE});
}

int ob_spi_hop_leave(ob_hop *hop) {
#ifdef OB_BREAK_HOP /* a look and a store, as two steps */
  uint32_t seen = ob__load_acquire(&hop->state);
  for (int i = 0; i < 100; i++) ob__pause(); /* a window, made wider */
  ob__store_release(&hop->state, seen & ~WATCHED);
  return (seen & DONE) != 0;
#endif
  return (ob__and_acq_rel(&hop->state, ~WATCHED) & DONE) != 0;
}

int ob_spi_hop_status(const ob_hop *hop) {
  return ob__load_acquire(&hop->state) & BEGUN ? hop->status : OB_ECANCELED;
}

int ob_spi_hop_cancel(ob_hop *hop) {
  uint32_t old = ob__or_acq_rel(&hop->state, CANCEL), state;
  do {
    if (old & (BEGUN | DONE)) return 0;
    state = old | CANCEL | DONE;
  } while (!ob__cas_weak_acq_rel(&hop->state, &old, state));
  return !(old & WATCHED);
}

int ob_spi_hop_cancelled(const ob_hop *hop) {
  return (ob__load_acquire(&hop->state) & CANCEL) != 0 ||
         ob__load_relaxed(&hop->engine->gate) == OB__STOP_CANCEL;
}

/* --- Errands ----------------------------------------------------------------
 */

static void errand_body(ob_node *node, int status) {
  ob_errand *errand = (ob_errand *)node;
  errand->body(errand, status);
}

static void errand_run(ob_node *node, int status) {
  ob_errand *errand = (ob_errand *)node;
  ob_engine *engine = errand->engine;
  ob__lane *lane = errand->lane;
  if (lane != NULL) ob__store_release(&lane->unlisted, lane->unlisted + 1);
  run_body(engine,
           (body){errand->name, errand->enqueued, errand->weight, errand_body},
           node, status);
  if (lane != NULL) {
    ob__count(&engine->n_completed, 1);
    if (status != OB_OK) ob__count(&engine->n_cancelled, 1);
  }
}

static void errand_entry(void *errand, int status) {
  errand_run(errand, status);
}

int ob_spi_post(ob_engine *engine, ob_errand *errand, int nowait) {
  ob__lane *lane;
  int rc = ob__enter(engine);
  if (rc != OB_OK) return rc;
  lane = ob__lane_get(engine);
  if (OB_UNLIKELY(lane == NULL))
    return ob__fail(OB_ENOMEM, "no memory for this thread's lane");
  errand->node.run = errand_run;
  errand->engine = engine;
  errand->weight = ob__look_due(engine, lane);
  if (OB_UNLIKELY(errand->weight != 0)) errand->enqueued = lane->look_time;
  rc = ob__room_take(lane, nowait, OB_FOREVER);
  if (rc == OB_OK) rc = push(lane, &errand->node, &errand->lane, errand_entry);
  return ob__counted(lane, rc);
}

int ob_spi_stopping(void) {
  const ob_engine *engine = ob__loop_self();
  return engine != NULL && ob__load_relaxed(&engine->gate) == OB__STOP_CANCEL;
}
