/* outboard_uv.h: the loop for code that runs on its thread. */
#include "internal.h"

uv_loop_t *ob_uv_loop(ob_engine *engine) {
  if (engine == NULL || !ob__on_loop(engine)) {
    ob__fail(OB_EPERM, "ob_uv_loop: %s",
             engine == NULL ? "engine is NULL"
                            : "only the engine's loop thread may use its loop; "
                              "submit a handler that does");
    return NULL;
  }
  if (ob__uv_lend(engine) != OB_OK) return NULL;
#ifndef OB_BREAK_STALE_TIME
  uv_update_time(&engine->uv); /* uv_timer_start counts from the loop's time */
#endif
  return &engine->uv;
}
