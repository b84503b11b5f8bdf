/* Stopping.
 *
 *   1. The gate closes: submitters are refused. That is a courtesy; what makes
 *      it safe is step 4.
 *   2. The stop node wakes the loop. In cancel mode queued work completes with
 *      OB_ESHUTDOWN and running handlers see cancellation; in drain mode
 *      everything accepted runs, and the loop may submit more.
 *   3. With nothing queued and nothing running: on_stop, and the user's uv
 *      handles are closed.
 *   4. One CAS from EMPTY to CLOSED ends the queue. If it fails something came
 *      in, and the loop goes round again; after it, every push is refused. So
 *      each submission is either finished or refused, whatever the timing.
 *
 * The join is bounded by a deadline, at which the stopper says what still runs.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define SOON_NS 100000u

/* --- On the loop ------------------------------------------------------------
 */

void ob__stop_run(ob_node *node, int status) {
  ob_engine *engine =
      (ob_engine *)((char *)node - offsetof(struct ob_engine, stop_node));
  (void)status;
  /* Read-modify-write: who found 1 wrote engine->stop before, and the loop
   * looks at it after. */
  ob__xchg_acq_rel(&engine->stop_node_busy, 0u);
}

/* Running handlers see cancellation; what waits in the pool ends. */
static void cancel_running(ob_engine *engine) {
  ob_request *request;
  for (request = engine->running; request != NULL;
       request = ob__full_of(request)->next) {
    uint32_t state = ob__load_acquire(&request->state);
#ifdef OB_BREAK_KEEP /* a window, made wider */
    for (int i = 0; i < 4000; i++) ob__pause();
#endif
    ob__end_early(request,
                  state & OB__RUNNING ? OB__END_CANCEL : OB__END_SHUTDOWN);
  }
}

/* The start hook has not answered yet. */
static int hook_open(ob_engine *engine) {
  int open;
  if (!engine->hook_pending) return 0;
  pthread_mutex_lock(&engine->life_mutex);
  open = !engine->token.answered;
  pthread_mutex_unlock(&engine->life_mutex);
  return open;
}

static int has_started(ob_engine *engine) {
  int started;
  pthread_mutex_lock(&engine->life_mutex);
  started = engine->started;
  pthread_mutex_unlock(&engine->life_mutex);
  return started;
}

/* 1 when the loop is to end. */
int ob__stop_step(ob_engine *engine) {
  if (ob__load_relaxed(&engine->stop) == OB__STOP_CANCEL) {
    engine->drain_status = (uint32_t)OB_ESHUTDOWN;
    if (!engine->cancel_sent) {
      engine->cancel_sent = 1;
      cancel_running(engine);
    }
  }
  if (engine->ready != NULL || !ob__queue_empty(engine)) return 0;
#ifndef OB_BREAK_RUNNING
  if (engine->running_count > 0) return 0;
#endif
  if (hook_open(engine)) return 0;
  if (!engine->hooks_done) {
    engine->hooks_done = 1;
    /* Who passed the gate long ago and pushes now is refused, not run after
     * on_stop. */
    engine->drain_status = (uint32_t)OB_ESHUTDOWN;
    if (engine->opts.on_stop != NULL && has_started(engine))
      OB__CALL_OUT(engine->opts.on_stop(engine, engine->opts.user));
    if (!ob__queue_empty(engine)) return 0;
  }
  if (!ob__loop_close_handles(engine)) return 0;
#ifdef OB_BREAK_CLOSED /* the gate alone */
  return 1;
#else
  return ob__queue_close(engine);
#endif
}

/* --- Elsewhere --------------------------------------------------------------
 */

void ob__stop_begin(ob_engine *engine, int how) {
  if (how > engine->stop) {
    ob__store_relaxed(&engine->stop, how);
    ob__store_relaxed(&engine->gate, (uint32_t)how);
  }
  if (ob__xchg_acq_rel(&engine->stop_node_busy, 1u) != 0) return;
  engine->stop_node.run = ob__stop_run;
  ob__push_exempt(engine, &engine->stop_node); /* closed already: fine */
}

static size_t add(char *text, size_t size, size_t used, const char *name,
                  ob_handler handler, uint64_t age_ns) {
  int n;
  if (used >= size) return used;
  if (name != NULL)
    n = snprintf(text + used, size - used, "%s\"%s\"", used > 0 ? ", " : "",
                 name);
  else
    n = snprintf(text + used, size - used, "%shandler %p", used > 0 ? ", " : "",
                 (void *)(uintptr_t)handler);
  if (n > 0) used += (size_t)n;
  if (age_ns > 0 && used < size) {
    n = snprintf(text + used, size - used, " for %.1f s", (double)age_ns / 1e9);
    if (n > 0) used += (size_t)n;
  }
  return used;
}

/* Says what keeps the loop from ending. */
static int report(ob_engine *engine) {
  char text[400] = "";
  uint64_t now = ob__now();
  size_t used = 0, named = 0;
  uint32_t count;
  ob_handler handler = ob__load_relaxed(&engine->current_handler);
  ob_request *at;
  if (handler != NULL)
    used = add(text, sizeof text, used, ob__load_relaxed(&engine->current_name),
               handler, 0);
  ob__lock_take(&engine->running_lock);
  count = engine->running_count;
  for (at = engine->running; at != NULL && named < 5; named++) {
    ob__full *full = ob__full_of(at);
    used = add(text, sizeof text, used, at->name, at->handler,
               full->started != 0 ? now - full->started : 0);
    at = full->next;
  }
  ob__lock_give(&engine->running_lock);
  return ob__fail(OB_ETIMEDOUT,
                  "engine \"%s\" has not stopped; still running (%u): %s",
                  engine->name, count + (handler != NULL),
                  used > 0 ? text : "its start or stop hook");
}

/* A thread that is about to return: sooner than a sleep and a wake-up take. */
static void join(const ob_engine *engine) {
#ifdef __linux__
  uint64_t limit = ob__now() + (engine->opts.spin_ns > 0 ? SOON_NS : 0);
  while (ob__now() < limit) {
    if (pthread_tryjoin_np(engine->thread, NULL) == 0) return;
    sched_yield();
  }
#endif
  pthread_join(engine->thread, NULL);
}

/* Under life_mutex: waits for the loop's end, then one caller joins. */
static int await_end(ob_engine *engine, uint64_t deadline) {
  while (engine->life != OB__EXITED || engine->joined == 1)
    if (ob__cond_wait(&engine->life_cond, &engine->life_mutex, deadline) !=
        OB_OK)
      return OB_ETIMEDOUT;
  if (engine->joined == 2) return OB_OK;
  engine->joined = 1;
  pthread_mutex_unlock(&engine->life_mutex);
  join(engine);
  pthread_mutex_lock(&engine->life_mutex);
  engine->joined = 2;
  pthread_cond_broadcast(&engine->life_cond);
  return OB_OK;
}

int ob__stop_now(ob_engine *engine, uint64_t patience_ns) {
  int rc;
  pthread_mutex_lock(&engine->life_mutex);
  ob__stop_begin(engine, OB__STOP_CANCEL);
  rc = await_end(engine, ob__deadline(patience_ns));
  pthread_mutex_unlock(&engine->life_mutex);
  return rc;
}

static int wait_stopped(ob_engine *engine, uint64_t deadline_ns) {
  /* exit() has halted the loop for good: a later exit handler's stop must not
   * hold the process up. */
  uint64_t deadline =
      ob__deadline(ob__load_relaxed(&engine->exiting) && deadline_ns > 50000000u
                       ? 50000000u
                       : deadline_ns);
  int rc, on_other_loop = ob__loop_self() != NULL;
  ob__thread *self = ob__thread_self();
  if (ob__load_acquire(&engine->halted) == OB__HALTED)
    return ob__fail(OB_ETIMEDOUT,
                    "engine \"%s\" was halted by exit(); stop it before that, "
                    "or in an exit handler that was registered after its start",
                    engine->name);
  if (on_other_loop) {
    rc = ob__cycle_enter(&engine, 1, "ob_engine_stop");
    if (rc != OB_OK) return rc;
  }
  if (self != NULL) ob__block_begin(self);
  if (deadline_ns > SOON_NS) ob__yield_while(engine, &engine->life, OB__ALIVE);
  pthread_mutex_lock(&engine->life_mutex);
  rc = await_end(engine, deadline);
  pthread_mutex_unlock(&engine->life_mutex);
  if (self != NULL) ob__block_end(self);
  if (on_other_loop) ob__cycle_leave();
  return rc == OB_OK ? OB_OK : report(engine);
}

static int stop(ob_engine *engine, int mode, uint64_t deadline_ns) {
  ob__thread *self = ob__thread_self();
  int rc = ob__enter(engine);
  if (rc != OB_OK && rc != OB_EBROKEN) return rc;
  if (mode != OB_STOP_CANCEL && mode != OB_STOP_DRAIN)
    return ob__fail(OB_EINVAL, "ob_engine_stop: %d is no enum ob_stop_mode",
                    mode);
  pthread_mutex_lock(&engine->life_mutex);
  ob__stop_begin(engine,
                 mode == OB_STOP_CANCEL ? OB__STOP_CANCEL : OB__STOP_DRAIN);
  pthread_mutex_unlock(&engine->life_mutex);
  if (ob__on_loop(engine) ||
      (self != NULL && self->pool != NULL && self->pool == engine->offload))
    return ob__fail(OB_EINPROGRESS,
                    "ob_engine_stop on a thread of engine \"%s\" itself: the "
                    "stop has begun; wait for it on another thread",
                    engine->name);
  return wait_stopped(engine, deadline_ns);
}

int ob_engine_stop(ob_engine *engine, int mode, uint64_t deadline_ns) {
  int old = ob__cancel_off(), rc = stop(engine, mode, deadline_ns);
  ob__cancel_restore(old);
  return rc;
}

#define DESTROY_NS UINT64_C(5000000000)

static int destroy(ob_engine *engine) {
  int rc;
  if (engine == NULL) return OB_OK;
#ifndef OB_BREAK_FORK
  if (engine->fork_word != ob__fork_word())
    return ob__fail(OB_EFORKED,
                    "ob_engine_destroy: the engine belongs to the "
                    "parent process; leave it");
#endif
  if (ob__on_loop(engine))
    return ob__fail(OB_EPERM,
                    "ob_engine_destroy on the engine's own loop thread would "
                    "join itself; use ob_engine_dispose");
  rc = ob_engine_stop(engine, OB_STOP_CANCEL, DESTROY_NS);
  if (rc == OB_ETIMEDOUT) return OB_EBUSY; /* the detail says what runs */
  if (rc != OB_OK) return rc;
  ob__engine_free(engine);
  return OB_OK;
}

int ob_engine_destroy(ob_engine *engine) {
  int old = ob__cancel_off(), rc = destroy(engine);
  ob__cancel_restore(old);
  return rc;
}

void ob_engine_dispose(ob_engine *engine) {
  int exited, old;
  if (engine == NULL || engine->fork_word != ob__fork_word()) return;
  pthread_mutex_lock(&engine->life_mutex);
  exited = engine->life == OB__EXITED;
  if (!exited) {
    engine->self_free = 1;
    /* Under the lock, which the loop takes before it frees. */
    ob__stop_begin(engine, OB__STOP_CANCEL);
  }
  pthread_mutex_unlock(&engine->life_mutex);
  if (!exited) return;
  old = ob__cancel_off();
  if (engine->joined != 2) pthread_join(engine->thread, NULL);
  ob__engine_free(engine);
  ob__cancel_restore(old);
}
