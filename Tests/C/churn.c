/* Start and stop, very many times: threads, descriptors, memory and what the
 * process has mapped stay as they are. */
#include <sys/resource.h>

#include "load.h"

/* Kilobytes. */
static long status_of(const char *what) {
  char line[256];
  long value = -1;
  FILE *file = fopen("/proc/self/status", "r");
  CHECK(file != NULL);
  while (fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, what, strlen(what)) == 0)
      sscanf(line + strlen(what), ": %ld", &value);
  fclose(file);
  CHECK(value >= 0);
  return value;
}

static ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;

/* Each of eight kinds of life in turn. */
static void live(unsigned kind) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  ob_engine *engine;
  if (kind % 8 == 7) opts.inspect = &inspect;
  CHECK_EQ(ob_engine_start(&engine, &opts), OB_OK);
  if (kind % 2 == 1) call_with(engine, OB_CALL_SYNC, OB_FOREVER);
  if (kind % 8 == 3) call_with(engine, OB_CALL_OFFLOAD, OB_FOREVER);
  if (kind % 8 == 5) call_with(engine, 0, 60 * S);
  if (kind % 4 == 2) { /* as it is, without a wait */
    ob_engine_dispose(engine);
    return;
  }
  CHECK_EQ(ob_engine_stop(engine, kind % 3 ? OB_STOP_DRAIN : OB_STOP_CANCEL,
                          OB_FOREVER),
           OB_OK);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

typedef struct held {
  rest at_rest;
  size_t bytes;
  long resident, mapped;
} held;

static held measure(const rest *wanted) {
  held now;
  check_at_rest(wanted); /* those disposed of need a moment */
  now.bytes = bytes_in_use();
  now.resident = status_of("VmRSS");
  now.mapped = status_of("VmSize");
  return now;
}

TEST(ten_thousand_starts_leave_nothing) {
  exact_heap("ten_thousand_starts_leave_nothing");
  rest at_rest = measure_rest();
  uint64_t count = test_full(10000, 1000000), begin;
  held before, after;
  for (unsigned i = 0; i < 400; i++) live(i);
  before = measure(&at_rest);
  begin = test_now();
  for (uint64_t i = 0; i < count; i++) live((unsigned)i);
  after = measure(&at_rest);
  printf(
      "  %llu starts, %.0f us each; in use %zu and %zu bytes; resident %ld "
      "and %ld kB; mapped %ld and %ld kB\n",
      (unsigned long long)count, (double)(test_now() - begin) / 1e3 / count,
      before.bytes, after.bytes, before.resident, after.resident, before.mapped,
      after.mapped);
  CHECK(after.bytes <= before.bytes + POOLS);
  if (TOOL_THREADS || TOOL_HEAP) return; /* their shadow memory grows */
  CHECK(after.resident <= before.resident + 4096);
  /* A thread's arena more, when one comes before another has gone. */
  CHECK(after.mapped <= before.mapped + 512 * 1024);
}
