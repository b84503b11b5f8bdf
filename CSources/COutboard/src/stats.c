/* The statistics snapshot: the loop's counters, and those of every lane. */
#include <string.h>

#include "internal.h"

static uint64_t busy_ns(ob_engine *engine) {
  uint64_t begin = ob__load_relaxed(&engine->started_at), ended, idle, all, nap;
  if (begin == 0) return 0;
  pthread_mutex_lock(&engine->life_mutex);
  ended = ob__load_relaxed(&engine->ended_at);
  /* Acquire: a nap that has ended is in idle_ns. */
  nap = ob__load_acquire(&engine->nap_since);
  all = (ended != 0 ? ended : ob__now()) - begin;
  idle = ob__load_relaxed(&engine->idle_ns);
  if (nap != 0 && begin + all > nap) idle += begin + all - nap;
  if (!engine->uv_closed && engine->life == OB__ALIVE)
    idle += uv_metrics_idle_time(&engine->uv);
  /* The two clocks are read one after the other: never let it step back. */
  if (all > idle && all - idle > engine->busy_seen)
    engine->busy_seen = all - idle;
  all = engine->busy_seen;
  pthread_mutex_unlock(&engine->life_mutex);
  return all;
}

static void sum_lanes(ob_engine *engine, ob_stats *out) {
  ob__lane *lane;
  ob__registry_lock();
  out->submitted = engine->r_submitted;
  out->refused = engine->r_refused;
  out->wakes_written = engine->r_wakes;
  for (lane = engine->lanes; lane != NULL; lane = lane->next_of_engine) {
    out->submitted += ob__load_relaxed(&lane->n_submitted);
    out->refused += ob__load_relaxed(&lane->n_refused);
    out->wakes_written += ob__load_relaxed(&lane->n_wakes);
  }
  ob__registry_unlock();
}

int ob_engine_stats(ob_engine *engine, ob_stats *out) {
  int rc;
  if (engine == NULL || out == NULL || out->size != sizeof *out)
    return ob__fail(OB_EINVAL, "ob_engine_stats: %s",
                    engine == NULL ? "engine is NULL"
                    : out == NULL  ? "out is NULL"
                                   : "begin with OB_STATS_INIT");
  rc = ob__enter(engine);
  if (rc != OB_OK && rc != OB_EBROKEN) return rc;
  memset(out, 0, sizeof *out);
  out->size = sizeof *out;
  /* Finished before accepted, so that the difference is never negative. */
  out->completed = ob__load_relaxed(&engine->n_completed);
  out->cancelled = ob__load_relaxed(&engine->n_cancelled);
  out->timed_out = ob__load_relaxed(&engine->n_timed_out);
  out->queue_high_water = ob__load_relaxed(&engine->n_high_water);
  out->sleeps = ob__load_relaxed(&engine->n_sleeps);
  sum_lanes(engine, out);
  if (out->submitted > out->completed)
    out->in_flight = out->submitted - out->completed;
  if (out->submitted > out->wakes_written)
    out->wakes_avoided = out->submitted - out->wakes_written;
  out->wakes_written += ob__load_relaxed(&engine->own_wakes);
  out->busy_ns = busy_ns(engine);
  ob__offload_stats(engine, out);
  return OB_OK;
}
