/* What box.c does for other files, and how the loop tells that a caller is
 * alone. Included by internal.h, whose engine it looks into. */
#ifndef OB_BOX_H
#define OB_BOX_H

#include "internal.h"

/* Calls through this thread's box; 0: it is closed. */
int ob__box_call(ob_engine *engine, struct ob__lane *lane,
                 const ob_call_opts *opts, ob_result *out, int *status);
int ob__box_full(const ob_engine *engine);
/* The call in the box, once, or NULL. */
ob_node *ob__box_take(ob_engine *engine);
void ob__box_run(ob_node *node, int status);
/* Opens the box of a thread that is blocked in a call. */
void ob__box_open(ob_engine *engine, struct ob__lane *lane);
/* 0: there is a call in it. */
int ob__box_close(ob_engine *engine);

/* How many calls in a row say that their caller is alone, and that a box pays.
 */
#define OB__ALONE 4u
#define OB__BOX_AFTER 16u
static inline int ob__alone(const ob_engine *engine) {
  return engine->streak >= OB__ALONE;
}
/* A blocking call from there is about to run. */
static inline void ob__note_caller(ob_engine *engine,
                                   const struct ob__lane *lane) {
  if (OB_LIKELY(engine->last_lane == lane)) {
    engine->streak += engine->streak < OB__BOX_AFTER;
  } else {
    if (engine->last_lane != NULL) engine->streak = 0;
    engine->last_lane = lane;
  }
}

#endif
