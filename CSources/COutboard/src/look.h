/* The inline half of look.c and watch.c: what stands in everybody's way. */
#ifndef OB_LOOK_H
#define OB_LOOK_H

#include "internal.h"

/* Above 0: the call that this lane is about to hand in is measured. */
static inline uint32_t ob__look_due(ob_engine *engine, ob__lane *lane) {
  uint32_t word = ob__load_relaxed(&engine->inspect);
  if (OB_LIKELY((word & OB__LOOK) == 0)) return 0;
  if (OB_LIKELY(word == lane->look_word && --lane->look_left > 0)) return 0;
  return ob__look_count(engine, lane);
}

static inline int ob__watch_on(const ob_engine *engine) {
  return OB_UNLIKELY(ob__load_relaxed(&engine->inspect) & OB_INSPECT_WATCH);
}

/* What counts what begins on a loop that is watched, or NULL. Loop thread. */
static inline uint32_t *ob__beat_of(ob_engine *engine) {
  if (OB_LIKELY(!ob__watch_on(engine))) return NULL;
  return &ob__load_acquire(&engine->insight)->watched.beat;
}

/* Something begins or ends on the loop. Under ob__watch_on. */
static inline void ob__beat(ob_engine *engine) {
  ob__insight *insight = ob__load_acquire(&engine->insight);
  if (insight != NULL) ob__count(&insight->watched.beat, 1);
}

#endif
