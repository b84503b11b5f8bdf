/* exit(): the engines of a process that ends.
 *
 * The gate closes and nothing new starts; a running handler is awaited for
 * 50 ms at most, offload jobs never: a host that leaves is not held up, and
 * nothing of ours runs while its static destructors take its objects down.
 * Draining needs an explicit stop. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define PATIENCE_NS UINT64_C(50000000)
#define LOOK_NS 200000

static ob_engine *engines; /* registry lock */
static pthread_once_t once = PTHREAD_ONCE_INIT;

void ob__exit_slow(ob_engine *engine) {
  if (!ob__on_loop(engine)) ob__die_stray();
  if (!ob__load_relaxed(&engine->exiting)) return;
#ifdef OB_BREAK_HALT
  return;
#endif
  ob__store_release(&engine->halted, OB__HALTED);
  for (;;) pause();
}

static void halt_run(ob_node *node, int status) {
  (void)node; /* waking the loop was the point; it looks at exiting itself */
  (void)status;
}

static void close_gate(ob_engine *engine) {
  ob__store_relaxed(&engine->gate, (uint32_t)OB__STOP_CANCEL);
  ob__store_relaxed(&engine->exiting, 1u);
  engine->halt_node.run = halt_run;
  if (ob__push_exempt(engine, &engine->halt_node) == OB_ESHUTDOWN)
    ob__store_relaxed(&engine->halted, OB__ENDED);
}

/* Locks for each look: a handler that is awaited may need the registry. */
static int all_halted(void) {
  ob_engine *engine;
  int all = 1;
  ob__registry_lock();
  for (engine = engines; engine != NULL; engine = engine->next_engine)
    if (engine->fork_word == ob__fork_word() && !ob__on_loop(engine) &&
        !ob__load_acquire(&engine->halted))
      all = 0;
  ob__registry_unlock();
  return all;
}

static void at_exit(void) {
  const struct timespec look = {0, LOOK_NS};
  uint64_t deadline = ob__now() + PATIENCE_NS;
  ob_engine *engine;
#ifdef OB_BREAK_EXIT
  deadline = OB_FOREVER;
#endif
  ob__registry_lock();
  for (engine = engines; engine != NULL; engine = engine->next_engine)
    if (engine->fork_word == ob__fork_word()) close_gate(engine);
  ob__registry_unlock();
  while (!all_halted() && ob__now() < deadline) nanosleep(&look, NULL);
}

static void arrange(void) {
  atexit(at_exit);
}

void ob__exit_register(ob_engine *engine) {
  pthread_once(&once, arrange);
  ob__registry_lock();
  engine->next_engine = engines;
  engines = engine;
  ob__registry_unlock();
}

void ob__exit_unregister(ob_engine *engine) {
  ob_engine **at;
  ob__registry_lock();
  for (at = &engines; *at != NULL; at = &(*at)->next_engine) {
    if (*at != engine) continue;
    *at = engine->next_engine;
    break;
  }
  ob__registry_unlock();
}
