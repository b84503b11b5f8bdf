/* The loop thread from its first to its last instruction, and its restart in a
 * fork child. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <string.h>
#include <unistd.h>

#include "internal.h"

#if defined(__SANITIZE_ADDRESS__)
#define OB__ASAN 1
#elif defined(__has_feature)
#define OB__ASAN __has_feature(address_sanitizer)
#endif
#if OB__ASAN
void __asan_handle_no_return(void);
#endif

static void report_boot(ob_engine *engine) {
  pthread_mutex_lock(&engine->life_mutex);
  ob__store_relaxed(&engine->life, OB__ALIVE);
  pthread_cond_broadcast(&engine->life_cond);
  pthread_mutex_unlock(&engine->life_mutex);
}

/* The loop has stopped; what it leaves is taken down. */
static void end(ob_engine *engine) {
  int self_free;
  ob__lost_end(engine);
  ob__loop_close(engine);
  ob__inspect_unwatch(engine);
  ob__offload_stop(engine);
  ob__inspect_end(engine); /* after the last job, which is measured too */
  ob__freed_flush(engine); /* after the last callback */
  ob__loop_enter(NULL);
  pthread_mutex_lock(&engine->life_mutex);
  ob__store_relaxed(&engine->life, OB__EXITED);
  self_free = engine->self_free;
  pthread_cond_broadcast(&engine->life_cond);
  pthread_mutex_unlock(&engine->life_mutex);
  /* From here the engine is the joiner's, unless nobody will join. */
  if (self_free) {
    pthread_detach(pthread_self());
    ob__engine_free(engine);
  }
}

/* Called on the loop thread when it was taken from its sleep (lost.c), or from
 * a libuv that would have aborted. The frames above are gone. */
static void taken_away(void *arg) {
  ob_engine *engine = arg;
  ob__reachable(engine, 0);
#if OB__ASAN
  __asan_handle_no_return();
#endif
  ob__lost_run(engine);
  end(engine);
}

static void live(ob_engine *engine) {
  ob__store_relaxed(&engine->started_at, ob__now());
  ob__wheel_init(&engine->wheel, engine->started_at);
  report_boot(engine);
  ob__spin_loop(engine);
  if (!ob__loop_run(engine)) ob__lost_run(engine);
  end(engine);
}

void *ob__loop_thread(void *arg) {
  ob_engine *engine = arg;
  ob__reachable(engine, 0);
  ob__thread_name(engine->name);
  ob__loop_enter(engine);
  engine->loop_tid = gettid();
  pthread_cleanup_push(taken_away, engine);
  live(engine);
  pthread_cleanup_pop(0);
  return NULL;
}

/* --- Restart in a fork child ------------------------------------------------
 */

/* For the loop of a restart whose hook has failed. */
#define PATIENCE_NS UINT64_C(1000000000)

static pthread_mutex_t restarting = PTHREAD_MUTEX_INITIALIZER;

void ob__restart_in_child(void) {
  /* It may have been held by a thread that does not exist here. */
  pthread_mutex_init(&restarting, NULL);
}

/* Lets go of what belongs to the parent: no libuv, no write to a descriptor,
 * only close. What was queued is the parent's and is not freed. */
static struct ob__insight *forget_parent(ob_engine *engine) {
  ob_engine_opts opts = engine->opts;
  char name[sizeof engine->name];
  void *swift_context = engine->swift_context;
  struct ob__insight *insight = engine->insight;
  struct ob__lane *lane;
  uv_loop_t none;
  ob__exit_unregister(engine);
  ob__registry_lock();
  for (lane = engine->lanes; lane != NULL; lane = lane->next_of_engine) {
    lane->engine = NULL;
    lane->engine_id = 0;
  }
  ob__registry_unlock();
  /* Without libuv, which must not be called here on a loop of the parent's. */
  ob__fds_close_inherited(engine);
  none = engine->uv; /* all its descriptors are -1 */
  memcpy(name, engine->name, sizeof name);
  memset(engine, 0, sizeof *engine);
  engine->uv = none;
  memcpy(engine->name, name, sizeof name);
  engine->opts = opts;
  engine->opts.name = engine->name;
  engine->swift_context = swift_context;
  engine->credit_chunk = 1;
  return insight;
}

static int restart(ob_engine *engine) {
  struct ob__insight *insight = forget_parent(engine);
  int rc;
  ob__store_release(&engine->broken, OB__RESTARTING); /* others wait */
  ob__engine_reset(engine);
  ob__store_release(&engine->fork_word, ob__fork_word());
  rc = ob__engine_init_life(engine);
  engine->insight = insight;
  if (rc == OB_OK) rc = ob__engine_boot(engine);
  if (rc != OB_OK) {
    ob__store_release(&engine->fork_word, 0u);
    return rc;
  }
  ob__exit_register(engine);
  ob__inspect_restart(engine, insight);
  rc = ob__engine_run_start_hook(engine);
  /* After a hook that failed the next call tries again. */
  if (rc != OB_OK && ob__stop_now(engine, PATIENCE_NS) == OB_OK)
    ob__store_release(&engine->fork_word, 0u);
  ob__store_release(&engine->broken, 0);
  return rc;
}

void ob__restart_await(void) {
  pthread_mutex_lock(&restarting);
  pthread_mutex_unlock(&restarting);
}

/* OB_EFORKED when its policy is not to. */
int ob__engine_restart(ob_engine *engine) {
  int rc = OB_OK;
  pthread_mutex_lock(&restarting);
  if (engine->fork_word != ob__fork_word() || ob__fork_word() == 0) {
    if (engine->opts.fork_policy != OB_FORK_RESTART) {
      rc = OB_EFORKED;
    } else {
      ob__fork_init();
      rc = restart(engine);
    }
  }
  pthread_mutex_unlock(&restarting);
  return rc;
}
