/* See decoys.h. */
#include "decoys.h"

#include <stddef.h>

static const char *called; /* __atomic */

const char *decoy_called(void) {
  return __atomic_load_n(&called, __ATOMIC_RELAXED);
}

#define DECOY(name)                                       \
  int name(void);                                         \
  __attribute__((visibility("default"))) int name(void) { \
    __atomic_store_n(&called, #name, __ATOMIC_RELAXED);   \
    return -1;                                            \
  }

DECOY(uv_version)
DECOY(uv_run)
DECOY(uv_loop_init)
DECOY(uv_async_send)
DECOY(uv_timer_start)
DECOY(uv_close)
DECOY(ob_call)
DECOY(ob_engine_start)
DECOY(ob_engine_shared)
DECOY(ob_complete)
DECOY(swift_retain)
DECOY(swift_release)
DECOY(swift_allocObject)
DECOY(swift_task_create)
DECOY(sqlite3_open_v2)
DECOY(sqlite3_step)
DECOY(mcp_reply)
DECOY(pricing_execute_tool)
