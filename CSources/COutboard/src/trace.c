/* What the recorder holds: as records, and as a trace.
 *
 * The trace is the JSON form of the Trace Event Format, which Chrome's tracing
 * page and Perfetto read: 'X' is a slice of a thread, and a pair 'b' and 'e' an
 * asynchronous one, that may overlap others. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "json.h"

/* The recorder, or NULL when there is none. */
static int find(ob_engine *engine, const char *function, ob__recorder **out) {
  ob__insight *insight;
  int rc;
  *out = NULL;
  if (engine == NULL)
    return ob__fail(OB_EINVAL, "%s: engine is NULL", function);
  rc = ob__enter(engine);
  if (rc != OB_OK && rc != OB_EBROKEN) return rc;
  insight = ob__load_acquire(&engine->insight);
  if (insight != NULL) *out = ob__load_acquire(&insight->recorder);
  return OB_OK;
}

int ob_inspect_calls(ob_engine *engine, ob_call_record *out, size_t capacity,
                     size_t *count) {
  ob__recorder *recorder;
  int rc;
  if (count == NULL || (out == NULL && capacity > 0))
    return ob__fail(OB_EINVAL, "ob_inspect_calls: %s is NULL",
                    count == NULL ? "count" : "out");
  *count = 0;
  rc = find(engine, "ob_inspect_calls", &recorder);
  if (rc == OB_OK && recorder != NULL)
    *count = ob__recorder_read(recorder, out, capacity);
  return rc;
}

/* --- The trace --------------------------------------------------------------
 */

#define U(x) ((unsigned long long)(x))

/* Microseconds, to the nanosecond. */
static void add_time(ob__json *json, const char *key, uint64_t ns) {
  ob__json_add(json, ",\"%s\":%llu.%03u", key, U(ns / 1000),
               (unsigned)(ns % 1000));
}

static void add_name(ob__json *json, const ob_call_record *record) {
  ob__json_add(json, "{\"name\":");
  if (record->name[0] != '\0') {
    ob__json_string(json, record->name, sizeof record->name);
  } else {
    ob__json_add(json, "\"0x%llx\"", U(record->handler));
  }
}

/* The outcome: one of ours by its name, another as a number. */
static void add_outcome(ob__json *json, const ob_call_record *record) {
  ob__json_add(json, ",\"args\":{\"number\":%llu,\"weight\":%u,\"status\":%d",
               U(record->number), record->weight, record->status);
  ob__json_add(json, ",\"outcome\":\"%s\"}}", ob_err_name(record->status));
}

static void add_slice(ob__json *json, int pid, const ob_call_record *record) {
  uint64_t end = record->returned != 0 ? record->returned : record->ended;
  add_name(json, record);
  ob__json_add(json, ",\"cat\":\"handler\",\"ph\":\"X\",\"pid\":%d,\"tid\":%u",
               pid, record->thread);
  add_time(json, "ts", record->started);
  add_time(json, "dur", end > record->started ? end - record->started : 0);
  add_outcome(json, record);
}

static void add_edge(ob__json *json, int pid, uint32_t tid,
                     const ob_call_record *record, char phase, uint64_t at) {
  add_name(json, record);
  ob__json_add(json, ",\"cat\":\"call\",\"ph\":\"%c\",\"id\":%llu,\"pid\":%d",
               phase, U(record->number), pid);
  ob__json_add(json, ",\"tid\":%u", tid);
  add_time(json, "ts", at);
  add_outcome(json, record);
}

static void add_head(ob__json *json, ob_engine *engine, int pid) {
  ob__json_add(json,
               "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[{\"name\":"
               "\"thread_name\",\"ph\":\"M\",\"ts\":0,\"pid\":%d,\"tid\":%d,"
               "\"args\":{\"name\":",
               pid, engine->loop_tid);
  ob__json_string(json, engine->name, sizeof engine->name);
  ob__json_add(json, "}}");
}

static void add_records(ob__json *json, ob_engine *engine,
                        const ob_call_record *records, size_t count) {
  uint32_t tid = (uint32_t)engine->loop_tid;
  int pid = getpid();
  size_t i;
  add_head(json, engine, pid);
  for (i = 0; i < count; i++) {
    const ob_call_record *at = &records[i];
    ob__json_add(json, ",\n");
    add_edge(json, pid, tid, at, 'b', at->enqueued);
    if (at->started != 0) {
      ob__json_add(json, ",\n");
      add_slice(json, pid, at);
    }
    ob__json_add(json, ",\n");
    add_edge(json, pid, tid, at, 'e', at->ended);
  }
  ob__json_add(json, "]}\n");
}

int ob_inspect_trace_json(ob_engine *engine, char *buffer, size_t size) {
  ob__json json = {buffer, size, 0};
  ob_call_record *records = NULL;
  ob__recorder *recorder;
  size_t count = 0;
  int rc;
  if (buffer == NULL && size > 0)
    return ob__fail(OB_EINVAL,
                    "ob_inspect_trace_json: buffer is NULL, but size is %zu",
                    size);
  rc = find(engine, "ob_inspect_trace_json", &recorder);
  if (rc != OB_OK) return rc;
  if (recorder != NULL) {
    records = malloc(recorder->capacity * sizeof *records);
    if (records == NULL)
      return ob__fail(OB_ENOMEM,
                      "ob_inspect_trace_json: no memory for %u calls",
                      recorder->capacity);
    count = ob__recorder_read(recorder, records, recorder->capacity);
  }
  add_records(&json, engine, records, count);
  free(records);
  return ob__json_end(&json);
}
