/* Measuring a call, and the loop's lag.
 *
 * A measured call costs some 400 ns: three looks at the clock, two histograms,
 * one record, all in lines that have gone cold. So calls are measured one by
 * one as long as they come slower than NEAR_NS, and at one of 2, 4, 8... when
 * faster. Each lane sees to that itself, since it may fill the queue before the
 * loop has run anything; the loop, where all lanes meet, raises a floor for
 * all. A loop that goes to sleep tells the lanes by a new epoch to come down
 * again. The distance varies at random around its mean, for a fixed one would
 * see but one kind of calls that alternate. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <unistd.h>

#include "internal.h"

#define NEAR_NS 32768u
#define FAR_NS 131072u
#define WINDOW 16u /* looks of the loop */
#define EXPONENT_MOST 12u

/* --- How often --------------------------------------------------------------
 */

static uint32_t floor_of(uint32_t word) {
  return (word >> OB__EVERY_SHIFT) & 0xffu;
}

/* Another thread may switch meanwhile: then that holds. */
static void change_floor(ob_engine *engine, int by) {
  uint32_t word = ob__load_relaxed(&engine->inspect);
  uint32_t exponent = floor_of(word) + (uint32_t)by;
  if (exponent > EXPONENT_MOST) return; /* below 0, too */
  ob__cas_relaxed(
      &engine->inspect, &word,
      (word & ~(0xffu << OB__EVERY_SHIFT)) | exponent << OB__EVERY_SHIFT);
}

static void new_epoch(ob_engine *engine) {
  uint32_t word = ob__load_relaxed(&engine->inspect);
  if ((word & OB__LOOK) != 0)
    ob__cas_relaxed(&engine->inspect, &word, word + (1u << OB__EPOCH_SHIFT));
}

static void adapt(ob_engine *engine, const ob__look *look, uint64_t now) {
  ob__insight *insight = engine->insight;
  uint64_t span;
  insight->latest = now;
  /* So many epochs bring its lane down to 1. */
  insight->epochs = 32u - (uint32_t)__builtin_clz(look->weight);
  if (++insight->looks < WINDOW) return;
  span = now - insight->window;
  insight->looks = 0;
  insight->window = now;
  if (span < WINDOW * (uint64_t)NEAR_NS)
    change_floor(engine, 1);
  else if (span > WINDOW * (uint64_t)FAR_NS)
    change_floor(engine, -1);
}

/* xorshift32 (Marsaglia). */
static uint32_t next_random(ob__lane *lane) {
  uint32_t x = lane->look_random;
  if (x == 0) x = (uint32_t)((uintptr_t)lane >> 7) | 1u;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return lane->look_random = x;
}

/* How far apart the last two were. */
static void learn(ob__lane *lane, uint64_t now) {
  uint64_t apart = now - lane->look_time;
#ifdef OB_BREAK_PACE /* the loop's floor alone */
  return;
#endif
  if (apart < NEAR_NS)
    lane->look_exponent += lane->look_exponent < EXPONENT_MOST;
  else if (apart > FAR_NS)
    lane->look_exponent -= lane->look_exponent > 0;
}

/* The mean distance from now on. */
static uint32_t distance(const ob__lane *lane, uint32_t word) {
  uint32_t least = floor_of(word);
  return 1u << (lane->look_exponent > least ? lane->look_exponent : least);
}

uint32_t ob__look_count(ob_engine *engine, ob__lane *lane) {
  uint32_t word = ob__load_relaxed(&engine->inspect), fixed, every;
  uint64_t now;
  /* Acquire: made by whoever set the word. */
  const ob__insight *insight = ob__load_acquire(&engine->insight);
  if (insight == NULL || (word & OB__LOOK) == 0) return 0;
  fixed = ob__load_relaxed(&insight->every);
  if (word != lane->look_word) { /* anew */
    lane->look_word = word;
    lane->look_exponent -= lane->look_exponent > 0;
    lane->look_every = fixed != 0 ? fixed : distance(lane, word);
    lane->look_left =
        fixed != 0 ? fixed : 1 + next_random(lane) % lane->look_every;
    if (--lane->look_left > 0) return 0;
  }
  every = lane->look_every;
  now = ob__now();
  learn(lane, now);
  lane->look_time = now;
  lane->look_every = fixed != 0 ? fixed : distance(lane, word);
  lane->look_left =
      fixed != 0 ? fixed : 1 + next_random(lane) % (2 * lane->look_every - 1);
  return every;
}

/* --- One call ---------------------------------------------------------------
 */

static uint64_t between(uint64_t from, uint64_t to) {
  return to > from ? to - from : 0;
}

static int times_on(const ob_engine *engine) {
  return (ob__load_relaxed(&engine->inspect) & OB_INSPECT_TIMES) != 0;
}

void ob__look_begin(ob_engine *engine, ob__look *look) {
  ob__insight *insight = engine->insight;
  uint64_t now = ob__now();
  int on_loop = ob__on_loop(engine);
  ob__store_relaxed(&look->thread,
                    (uint32_t)(on_loop ? engine->loop_tid : gettid()));
  ob__store_relaxed(&look->started, now);
  if (times_on(engine))
    ob__histogram_add(&insight->wait, between(look->enqueued, now),
                      look->weight);
  if (on_loop) adapt(engine, look, now);
}

void ob__look_return(ob_engine *engine, ob__look *look) {
  uint64_t now = ob__now();
  ob__store_relaxed(&look->returned, now);
  if (times_on(engine))
    ob__histogram_add(&engine->insight->run,
                      between(ob__load_relaxed(&look->started), now),
                      look->weight);
}

void ob__look_end(ob_engine *engine, const ob__look *look, uint64_t ended,
                  const ob_call_record *who) {
  ob__insight *insight = engine->insight;
  uint64_t started = ob__load_relaxed(&look->started);
  ob__recorder *recorder = ob__load_acquire(&insight->recorder);
  ob_call_record record = *who;
  record.ended = ended != 0 ? ended : ob__now();
  /* What never ran has waited, too: the longest waits are those given up. */
  if (started == 0 && times_on(engine))
    ob__histogram_add(&insight->wait, between(look->enqueued, record.ended),
                      look->weight);
  if (recorder == NULL ||
      !(ob__load_relaxed(&engine->inspect) & OB_INSPECT_RECORD))
    return;
  record.enqueued = look->enqueued;
  record.started = started;
  record.returned = ob__load_relaxed(&look->returned);
  record.weight = look->weight;
  record.thread = started != 0 ? ob__load_relaxed(&look->thread) : 0;
  ob__recorder_add(recorder, &record);
}

ob_call_record ob__who(const char *name, uintptr_t handler, int status) {
  ob_call_record who = {.handler = handler, .status = status};
  size_t i;
  for (i = 0; name != NULL && name[i] != '\0' && i < sizeof who.name - 1; i++)
    who.name[i] = name[i];
  return who;
}

/* --- The loop's lag ---------------------------------------------------------
 */

void ob__inspect_poll(ob_engine *engine, uint64_t now) {
  ob__insight *insight = ob__load_acquire(&engine->insight);
  if (insight == NULL) return;
  if (ob__watch_on(engine)) ob__beat(engine);
  if (times_on(engine))
    ob__histogram_add(&insight->lag, between(engine->poll_time, now), 1);
}

void ob__inspect_sleep(ob_engine *engine) {
  ob__insight *insight = ob__load_acquire(&engine->insight);
  uint64_t now = ob__now();
  if (insight == NULL) return;
  ob__inspect_poll(engine, now);
  insight->slept = now;
  insight->idle = ob__uv_idle(engine);
  /* Calls have become rare: measure more of them. */
  if (insight->epochs > 0 && now - insight->latest > FAR_NS) {
    insight->epochs--;
    new_epoch(engine);
    change_floor(engine, -1);
  }
  if (ob__watch_on(engine)) ob__watch_asleep(insight);
}

/* libuv calls back before it lets us read the clock: what was not sleep, was
 * callbacks. */
void ob__inspect_wake(ob_engine *engine, uint64_t looked, uint64_t napped) {
  ob__insight *insight = ob__load_acquire(&engine->insight);
  uint64_t asleep;
  /* Another sleep's, if it was switched off and on meanwhile. */
  if (insight == NULL || insight->slept == 0 || insight->slept < looked) return;
  asleep = ob__uv_idle(engine) - insight->idle + napped;
  engine->poll_time -= between(asleep, engine->poll_time - insight->slept);
  insight->slept = 0;
}
