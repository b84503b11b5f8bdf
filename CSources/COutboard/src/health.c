/* Snapshots for whoever watches an engine: health, the last stall, the recorded
 * calls; and the first and the last as JSON. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "json.h"

static int enter(ob_engine *engine, const char *function) {
  int rc;
  if (engine == NULL)
    return ob__fail(OB_EINVAL, "%s: engine is NULL", function);
  rc = ob__enter(engine);
  return rc == OB_EBROKEN ? OB_OK : rc;
}

/* --- Health ----------------------------------------------------------------
 */

static uint32_t state_of(ob_engine *engine, uint64_t stalled_ns) {
  int life, stop;
  pthread_mutex_lock(&engine->life_mutex);
  life = engine->life;
  stop = engine->stop;
  pthread_mutex_unlock(&engine->life_mutex);
  if (life == OB__EXITED) return OB_HEALTH_STOPPED;
  if (stop != OB__STOP_NONE) return OB_HEALTH_STOPPING;
  if (ob__load_relaxed(&engine->broken) > 0) return OB_HEALTH_BROKEN;
  return stalled_ns > 0 ? OB_HEALTH_STALLED : OB_HEALTH_RUNNING;
}

static void fill(ob_engine *engine, ob_health *out) {
  ob__insight *insight = ob__load_acquire(&engine->insight);
  uint64_t now, ended, held = 0;
  if (insight != NULL) {
    ob__histogram_read(&insight->lag, &out->lag);
    ob__histogram_read(&insight->wait, &out->wait);
    ob__histogram_read(&insight->run, &out->run);
    ob__watch_read(insight, &out->stalls, &held, NULL);
  }
  now = ob__now();
  ended = ob__load_relaxed(&engine->ended_at);
  out->uptime_ns =
      (ended != 0 ? ended : now) - ob__load_relaxed(&engine->started_at);
  out->stalled_ns = held != 0 ? now - held : 0;
  out->state = state_of(engine, out->stalled_ns);
  out->flags = ob__load_relaxed(&engine->inspect) & OB__INSPECT_FLAGS;
  memcpy(out->name, engine->name, sizeof out->name);
}

int ob_engine_health(ob_engine *engine, ob_health *out) {
  int rc = enter(engine, "ob_engine_health");
  if (rc != OB_OK) return rc;
  if (out == NULL || out->size != sizeof *out)
    return ob__fail(OB_EINVAL, "ob_engine_health: %s",
                    out == NULL ? "out is NULL" : "begin with OB_HEALTH_INIT");
  *out = (ob_health)OB_HEALTH_INIT;
  rc = ob_engine_stats(engine, &out->stats);
  if (rc != OB_OK) return rc;
  fill(engine, out);
  return OB_OK;
}

int ob_inspect_stall(ob_engine *engine, ob_stall *out) {
  ob__insight *insight;
  uint64_t stalls = 0, held;
  int rc = enter(engine, "ob_inspect_stall");
  if (rc != OB_OK) return rc;
  if (out == NULL || out->size != sizeof *out)
    return ob__fail(OB_EINVAL, "ob_inspect_stall: %s",
                    out == NULL ? "out is NULL" : "begin with OB_STALL_INIT");
  insight = ob__load_acquire(&engine->insight);
  if (insight != NULL) {
    ob_stall last;
    ob__watch_read(insight, &stalls, &held, &last);
    if (last.number > 0) {
      *out = last;
      return OB_OK;
    }
  }
  return ob__fail(OB_EAGAIN, "ob_inspect_stall: engine \"%s\" has not stalled",
                  engine->name);
}

/* --- Health as JSON ---------------------------------------------------------
 */

#define U(x) ((unsigned long long)(x))

static void add_times(ob__json *json, const char *name, const ob_times *times) {
  ob__json_add(json,
               "\"%s\":{\"count\":%llu,\"mean_ns\":%llu,\"p50_ns\":%llu,"
               "\"p99_ns\":%llu,\"p999_ns\":%llu,\"max_ns\":%llu},",
               name, U(times->count), U(times->mean_ns), U(times->p50_ns),
               U(times->p99_ns), U(times->p999_ns), U(times->max_ns));
}

static void add_stats(ob__json *json, const ob_stats *s) {
  ob__json_add(json,
               "\"statistics\":{\"submitted\":%llu,\"completed\":%llu,"
               "\"cancelled\":%llu,\"timed_out\":%llu,\"refused\":%llu,"
               "\"in_flight\":%llu,\"queue_high_water\":%llu,",
               U(s->submitted), U(s->completed), U(s->cancelled),
               U(s->timed_out), U(s->refused), U(s->in_flight),
               U(s->queue_high_water));
  ob__json_add(json,
               "\"wakes_written\":%llu,\"wakes_avoided\":%llu,"
               "\"sleeps\":%llu,\"busy_ns\":%llu,\"offload_threads\":%llu,"
               "\"offload_queued\":%llu},",
               U(s->wakes_written), U(s->wakes_avoided), U(s->sleeps),
               U(s->busy_ns), U(s->offload_threads), U(s->offload_queued));
}

static void add_stall(ob__json *json, const ob_stall *stall) {
  uint32_t i;
  ob__json_add(json,
               "{\"number\":%llu,\"held_ns\":%llu,\"name\":", U(stall->number),
               U(stall->held_ns));
  ob__json_string(json, stall->name, sizeof stall->name);
  ob__json_add(json, ",\"symbol\":");
  ob__json_string(json, stall->symbol, sizeof stall->symbol);
  ob__json_add(json, ",\"pending\":");
  ob__json_string(json, stall->pending, sizeof stall->pending);
  ob__json_add(json, ",\"frames\":[");
  for (i = 0; i < stall->frame_count && i < OB_STALL_FRAMES; i++)
    ob__json_add(json, "%s\"0x%llx\"", i > 0 ? "," : "", U(stall->frames[i]));
  ob__json_add(json, "]}");
}

static int check_buffer(const char *buffer, size_t size, const char *function) {
  if (buffer != NULL || size == 0) return OB_OK;
  return ob__fail(OB_EINVAL, "%s: buffer is NULL, but size is %zu", function,
                  size);
}

int ob_engine_health_json(ob_engine *engine, char *buffer, size_t size) {
  static const char *const states[] = {"running", "stalled", "stopping",
                                       "stopped", "broken"};
  ob__json json = {buffer, size, 0};
  ob_health health = OB_HEALTH_INIT;
  ob_stall stall = OB_STALL_INIT;
  int rc = enter(engine, "ob_engine_health_json");
  if (rc == OB_OK) rc = check_buffer(buffer, size, "ob_engine_health_json");
  if (rc == OB_OK) rc = ob_engine_health(engine, &health);
  if (rc != OB_OK) return rc;
  ob__json_add(&json, "{\"name\":");
  ob__json_string(&json, health.name, sizeof health.name);
  ob__json_add(&json, ",\"state\":\"%s\",\"uptime_ns\":%llu,",
               states[health.state], U(health.uptime_ns));
  ob__json_add(&json, "\"times_on\":%s,\"recorder_on\":%s,\"watchdog_on\":%s,",
               health.flags & OB_INSPECT_TIMES ? "true" : "false",
               health.flags & OB_INSPECT_RECORD ? "true" : "false",
               health.flags & OB_INSPECT_WATCH ? "true" : "false");
  add_times(&json, "lag", &health.lag);
  add_times(&json, "wait", &health.wait);
  add_times(&json, "run", &health.run);
  add_stats(&json, &health.stats);
  ob__json_add(&json, "\"stalls\":%llu,\"stalled_ns\":%llu,\"last_stall\":",
               U(health.stalls), U(health.stalled_ns));
  if (ob_inspect_stall(engine, &stall) == OB_OK)
    add_stall(&json, &stall);
  else
    ob__json_add(&json, "null");
  ob__json_add(&json, "}");
  return ob__json_end(&json);
}
