/* Spinning and yielding before a thread parks.
 *
 * A parked thread costs 22 us to wake when its CPU idles, 2 us of spinning on
 * both sides answer most calls in 0.15 us. But spinning on the CPU that the
 * other side needs, or against many callers, starves everybody. So: spin only
 * when alone and on another CPU than the loop, or for a turn of a few calls;
 * otherwise yield, a little and guarded; then park. A credit per thread
 * remembers whether spinning paid. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <sched.h>

#include "internal.h"

#define YIELDS 20          /* before parking */
#define PAUSES 32          /* between looks at the clock */
#define LOOKS 8            /* between pauses, each as long as several */
#define CALLER_HOLD 84u    /* ns before the first look for an answer */
#define LOOP_HOLD 140u     /* the same, for the next call in the box */
#define TURN_CALLS 8u      /* of one of several callers, between two yields */
#define TURN_PAUSES 4      /* the loop's, until whose turn it is calls again */
#define SLOW_YIELD 250000u /* ns: somebody else had the CPU */
#define CALLER_TURN 25000u /* more for each caller: they have it in turns */
#define SLOWEST 2000000u   /* and no more: a stranger's share is 3 ms */
#ifndef SLOW_LIMIT
#define SLOW_LIMIT 4 /* so many slow ones ban yielding ... */
#endif
#define SLOW_WINDOW 50000000u /* ... within this time, ns */
#define FIRST_BAN 20000000u   /* ns; each one twice as long as the one before */
#define LAST_BAN 320000000u   /* ns */
#define BAN_FORGOTTEN 1000000000u /* ns without a ban: begin again */
#define CREDIT_MAX 16
#define CREDIT_LOSS 4
#define PROBE_EVERY 32u
#define LONG_NS 40000u  /* about what parking and waking take */
#define WAKE_NS 120000u /* until a thread that is woken is back, at most */

void ob__yield_slow(ob__yield *guard, uint64_t begin, uint64_t now) {
  uint64_t ban = ob__load_relaxed(&guard->ban);
  int32_t slow = ob__load_relaxed(&guard->slow) + 1;
#ifndef OB_BREAK_YIELD
  /* One disturbance makes every thread on that CPU slow. */
  if (begin < ob__load_relaxed(&guard->last)) return;
#endif
  if (now < ob__load_relaxed(&guard->banned_until)) return;
  ob__store_relaxed(&guard->last, now);
  if (now - ob__load_relaxed(&guard->first) > SLOW_WINDOW) {
    ob__store_relaxed(&guard->first, now);
    slow = 1;
  }
  ob__store_relaxed(&guard->slow, slow);
  if (slow < SLOW_LIMIT) return;
  if (now - ob__load_relaxed(&guard->banned_until) > BAN_FORGOTTEN || ban == 0)
    ban = FIRST_BAN;
  else if (ban < LAST_BAN)
    ban *= 2;
  ob__store_relaxed(&guard->ban, ban);
  ob__store_relaxed(&guard->first, UINT64_C(0));
  ob__store_relaxed(&guard->banned_until, now + ban);
}

uint64_t ob__yield_limit(uint32_t callers) {
  uint64_t limit = SLOW_YIELD + (uint64_t)callers * CALLER_TURN;
  return limit < SLOWEST ? limit : SLOWEST;
}

/* Yields the CPU once; 0 when that is banned. */
static int yield_once(ob_engine *engine) {
  ob__yield *guard = &engine->yield;
  uint64_t begin = ob__now(), end;
  if (begin < ob__load_relaxed(&guard->banned_until)) return 0;
  sched_yield();
  end = ob__now();
  if (OB_UNLIKELY(end - begin > SLOW_YIELD) &&
      end - begin > ob__yield_limit(ob__load_relaxed(&engine->callers)))
    ob__yield_slow(guard, begin, end);
  return 1;
}

void ob__yield_while(ob_engine *engine, const int *word, int value) {
  uint64_t limit;
  if (engine->opts.spin_ns == 0) return;
  limit = ob__now() + WAKE_NS;
  while (ob__load_relaxed(word) == value && ob__now() < limit)
    if (!yield_once(engine)) return;
}

static void credit(int32_t *balance, int paid) {
  if (paid)
    *balance += *balance < CREDIT_MAX;
  else
    *balance = *balance > CREDIT_LOSS ? *balance - CREDIT_LOSS : 0;
}

static int may(int32_t balance, uint32_t *probe) {
  return balance > 0 || ++*probe % PROBE_EVERY == 0;
}

static int is_done(ob__watch watch) {
  /* Acquire: pairs with the RMW that says so. */
  return (ob__load_acquire(watch.word) & watch.mask) == watch.value;
}

/* A look at a line that the other side is about to fill takes it away from
 * there, and each of its stores fetches it again: two to three times as long
 * for the call. So no look while nothing can have come. In pauses, which take
 * from 1 to 50 ns and disturb nobody; a look at the clock would take 20. */
static uint32_t caller_hold, loop_hold; /* set before the first engine */

static void hold(uint32_t pauses) {
  while (pauses-- > 0) ob__pause();
}

void ob__spin_measure(void) {
  uint64_t least = UINT64_MAX, begin, took;
  int tries, i;
  for (tries = 0; tries < 3; tries++) {
    begin = ob__now();
    for (i = 0; i < PAUSES; i++) ob__pause();
    took = ob__now() - begin;
    if (took < least) least = took;
  }
  if (least < PAUSES) least = PAUSES;
  caller_hold = (uint32_t)((CALLER_HOLD * PAUSES + least / 2) / least);
  loop_hold = (uint32_t)((LOOP_HOLD * PAUSES + least / 2) / least);
}

/* 1 when the end was seen while pausing. */
static int pause_done(ob__watch watch) {
  int i, look;
  for (i = 0; i < PAUSES; i++) {
    for (look = 0; look < LOOKS; look++)
      if (is_done(watch)) return 1;
    ob__pause();
  }
  return is_done(watch);
}

/* How long a caller pauses for its answer before it yields. Up to what parking
 * and waking would take, if that has paid lately; else the budget only. */
static uint64_t caller_patience(const ob_engine *engine, ob__thread *self) {
  if (!may(self->spin_credit, &self->spin_probe)) return 0;
  if (may(self->long_credit, &self->long_probe)) return LONG_NS;
  return engine->opts.spin_ns;
}

static void caller_learns(const ob_engine *engine, ob__thread *self,
                          uint64_t patience, uint64_t took) {
  int paid = took <= patience;
  if (patience == LONG_NS) {
    if (!paid || took > engine->opts.spin_ns) credit(&self->long_credit, paid);
    if (paid) credit(&self->spin_credit, 1);
  } else {
    credit(&self->spin_credit, paid);
  }
}

/* Several callers on the CPU that the loop is not on: each makes a few calls at
 * a stretch before it lets another one run, so that these share a switch. On
 * the loop's CPU there are no turns, for the loop needs it; but the loop lets
 * those callers run whenever it has nothing to do, so that nobody falls behind.
 */
static int answered_in_turn(ob_engine *engine, ob__thread *self,
                            ob__watch watch, int cpu) {
  int paid;
  if (self->turn == 0) {
    self->turn = TURN_CALLS;
    return 0;
  }
  if (ob__load_relaxed(&engine->loop_cpu) == cpu) return 0;
  paid = pause_done(watch);
  credit(&self->spin_credit, paid);
  self->turn = paid ? self->turn - 1 : 0;
  return paid;
}

int ob__spin_caller(ob_engine *engine, ob__thread *self, ob__watch watch) {
  uint64_t begin = 0, took = 0, patience;
  int cpu = ob__cpu(), yields = YIELDS, spun = 0;
  if (engine->opts.spin_ns == 0) return is_done(watch);
  patience = caller_patience(engine, self);
  if (patience > 0 && ob__load_relaxed(&engine->callers) > 1 &&
      !is_done(watch) && answered_in_turn(engine, self, watch, cpu))
    return 1;
  while (!is_done(watch)) {
    if (took <= patience && patience > 0 &&
        ob__load_relaxed(&engine->callers) <= 1 &&
        ob__load_relaxed(&engine->loop_cpu) != cpu) {
      if (!spun) hold(caller_hold);
      spun = 1;
      if (pause_done(watch)) break;
      if (begin == 0)
        begin = ob__now();
      else
        took = ob__now() - begin;
      continue;
    }
    if (yields-- <= 0 || !yield_once(engine)) break;
    cpu = ob__cpu();
  }
  if (spun) caller_learns(engine, self, patience, took);
  return is_done(watch);
}

/* 1 when something was pushed while pausing. */
static int pause_queue(ob_engine *engine, int pauses) {
  int i, look;
  for (i = 0; i < pauses; i++) {
    /* To own it, since a look that finds something takes it. */
    if (engine->box_lane == NULL) ob__prefetch_write(&engine->head);
    for (look = 0; look < LOOKS; look++)
      if (!ob__queue_empty(engine)) return 1;
    ob__pause();
  }
  return !ob__queue_empty(engine);
}

static void publish_cpu(ob_engine *engine, int32_t cpu) {
  if (ob__load_relaxed(&engine->loop_cpu) != cpu)
    ob__store_relaxed(&engine->loop_cpu, cpu);
}

/* How long the loop waits for the next push; 0: not at all. Whoever it has just
 * woken needs a while to come back: without patience both sides would park for
 * ever, each missing the other by a few microseconds. */
static uint64_t loop_patience(ob_engine *engine) {
  if (engine->opts.spin_ns == 0) return 0;
  if (engine->woke && ob__alone(engine) &&
      may(engine->wake_credit, &engine->wake_probe))
    return WAKE_NS;
  if (may(engine->spin_credit, &engine->spin_probe))
    return engine->opts.spin_ns;
  return 0;
}

/* The call in the box at once, while there is nothing else to look at: the only
 * caller waits for each step on the way. The list is looked at after the box,
 * as in ob__queue_take. 0: by the usual way, if there is any. */
static int run_boxed(ob_engine *engine) {
  ob_node *node;
  if (!ob__box_full(engine) || engine->uv_lent || engine->wheel.count > 0 ||
      !OB__IS_TAG(ob__load_acquire(&engine->head)) ||
      (ob__load_relaxed(&engine->exiting) | ob__load_relaxed(&ob__stray) |
       ob__load_relaxed(&engine->inspect) |
       ob__load_relaxed(&engine->room_waiters)) != 0 ||
      ob__load_relaxed(&engine->stop) != OB__STOP_NONE)
    return 0;
  node = ob__box_take(engine);
  engine->batches++;
  engine->found = 0;
  ob__note_found(engine, 1);
  OB__CALL_OUT(node->run(node, (int)engine->drain_status));
  if (engine->wake_count > 0) ob__wake_flush(engine);
  if (engine->freed_count > 0) ob__freed_flush(engine);
  hold(loop_hold);
  return 1;
}

static int spin_once(ob_engine *engine) {
  uint64_t begin = 0, now = 0, patience;
  int cpu = ob__cpu(), yields = YIELDS, found = 0, spent = 0;
  publish_cpu(engine, cpu);
  patience = loop_patience(engine);
  if (patience == 0) return !ob__queue_empty(engine);
  while (!(found = !ob__queue_empty(engine))) {
    if (!spent && engine->caller_cpu != cpu && ob__alone(engine)) {
      if ((found = pause_queue(engine, PAUSES))) break;
      now = ob__now();
      if (begin == 0)
        begin = now;
      else
        spent = now - begin > patience;
      continue;
    }
    if (yields == YIELDS && engine->caller_cpu != cpu &&
        (found = pause_queue(engine, TURN_PAUSES)))
      break;
    if (yields-- <= 0 || !yield_once(engine)) break;
    cpu = ob__cpu();
    publish_cpu(engine, cpu);
  }
  credit(patience == WAKE_NS ? &engine->wake_credit : &engine->spin_credit,
         found);
  engine->woke = 0;
  if (begin != 0) ob__count(&engine->idle_ns, now - begin);
  return found;
}

int ob__spin_loop(ob_engine *engine) {
  int found;
  do found = spin_once(engine);
  while (found && run_boxed(engine));
  return found;
}
