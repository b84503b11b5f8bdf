/* Switching inspection on and off, and what it keeps. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define ALL (OB_INSPECT_TIMES | OB_INSPECT_RECORD | OB_INSPECT_WATCH)
#define STALL_LEAST UINT64_C(1000000)
#define STALL_MOST UINT64_C(3600000000000)

static int bad(const char *what) {
  return ob__fail(OB_EINVAL, "ob_inspect: %s", what);
}

int ob__inspect_check(const ob_inspect_opts *opts) {
  if (opts->size != sizeof *opts)
    return bad("opts.size is wrong; begin with OB_INSPECT_OPTS_INIT");
  if ((opts->flags & ~(uint32_t)ALL) != 0)
    return bad("opts.flags has bits that are none of enum ob_inspect_flags");
  if (opts->every > 1u << 20) return bad("opts.every is above 1048576");
  if (opts->record_last == 0 || opts->record_last > 65536)
    return bad("opts.record_last must be 1 to 65536");
  if (opts->stall_ns < STALL_LEAST || opts->stall_ns > STALL_MOST)
    return bad("opts.stall_ns must be 1 ms to 1 h");
  return opts->stack_signal != 0 ? ob__stack_check(opts->stack_signal) : OB_OK;
}

/* --- Memory -----------------------------------------------------------------
 */

void ob__insight_release(ob__insight *insight) {
  if (ob__sub_acq_rel(&insight->refs, 1u) != 1) return;
  free(insight->recorder);
  free(insight);
}

/* Under life_mutex. */
static int provide(ob_engine *engine, const ob_inspect_opts *opts) {
  ob__insight *insight = engine->insight;
  ob__recorder *recorder;
  if (insight == NULL) {
    insight = calloc(1, sizeof *insight);
    if (insight == NULL)
      return ob__fail(OB_ENOMEM, "ob_inspect: no memory for histograms");
    insight->refs = 1;
    insight->opts = (ob_inspect_opts)OB_INSPECT_OPTS_INIT;
    insight->opts.flags = 0;
    ob__store_release(&engine->insight, insight);
  }
  if (!(opts->flags & OB_INSPECT_RECORD)) return OB_OK;
  recorder = insight->recorder;
  if (recorder == NULL) {
    recorder = ob__recorder_new(opts->record_last);
    if (recorder == NULL)
      return ob__fail(OB_ENOMEM, "ob_inspect: no memory for %u records",
                      opts->record_last);
    ob__store_release(&insight->recorder, recorder);
  }
  if (recorder->capacity != opts->record_last)
    return ob__fail(OB_EBUSY,
                    "ob_inspect: the recorder of engine \"%s\" keeps %u calls "
                    "since it was first switched on; record_last must be that",
                    engine->name, recorder->capacity);
  return OB_OK;
}

void ob__inspect_free(ob_engine *engine) {
  if (engine->insight == NULL) return;
  ob__watch_clear(engine->insight);
  ob__watch_await(engine->insight);
  ob__insight_release(engine->insight);
  engine->insight = NULL;
}

/* --- The signal for stacks --------------------------------------------------
 */

static void mask(int how, int number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  pthread_sigmask(how, &set, NULL);
}

/* Loop thread. */
static void mask_run(ob_node *node, int status) {
  ob__insight *insight =
      (ob__insight *)((char *)node - offsetof(struct ob__insight, mask_node));
  int wanted;
  (void)status;
  /* Who found 1 has written what is wanted before. */
  ob__xchg_acq_rel(&insight->mask_busy, 0u);
  wanted = ob__load_relaxed(&insight->stack_signal);
  if (insight->unblocked != 0 && insight->unblocked != wanted)
    mask(SIG_BLOCK, insight->unblocked);
  if (wanted != 0 && insight->unblocked != wanted) mask(SIG_UNBLOCK, wanted);
  insight->unblocked = wanted;
}

static void unblock(ob_engine *engine, ob__insight *insight, int number) {
  if (ob__load_relaxed(&insight->stack_signal) == number) return;
  ob__store_relaxed(&insight->stack_signal, number);
  if (ob__xchg_acq_rel(&insight->mask_busy, 1u) != 0) return;
  insight->mask_node.run = mask_run;
  ob__push_exempt(engine, &insight->mask_node); /* closed already: fine */
}

/* --- Switching --------------------------------------------------------------
 */

static void publish(ob_engine *engine, uint32_t flags) {
  ob__store_release(&engine->inspect, flags);
}

/* Under life_mutex. */
static int apply(ob_engine *engine, const ob_inspect_opts *opts) {
  int watch = (opts->flags & OB_INSPECT_WATCH) != 0, rc;
  ob_inspect_opts before;
  ob__insight *insight;
  if (engine->insight == NULL && opts->flags == 0) return OB_OK;
  if (engine->life == OB__EXITED && opts->flags != 0)
    return ob__refuse_shutdown(engine);
  rc = provide(engine, opts);
  if (rc != OB_OK) return rc;
  insight = engine->insight;
  before = insight->opts;
  insight->opts = *opts;
  if (watch && (rc = ob__watch_set(engine, insight)) != OB_OK) {
    insight->opts = before;
    return rc;
  }
  unblock(engine, insight, watch ? opts->stack_signal : 0);
  ob__store_relaxed(&insight->every, opts->every);
  publish(engine, opts->flags);
  return OB_OK;
}

int ob__inspect_set(ob_engine *engine, const ob_inspect_opts *opts) {
  ob__insight *insight;
  int rc;
  pthread_mutex_lock(&engine->life_mutex);
  rc = apply(engine, opts);
  insight = engine->insight;
  pthread_mutex_unlock(&engine->life_mutex);
  if (rc != OB_OK || (opts->flags & OB_INSPECT_WATCH)) return rc;
  if (insight != NULL) { /* without the lock, which a hook may want */
    ob__watch_clear(insight);
    ob__watch_await(insight);
  }
  if (opts->stall_destroy != NULL)
    OB__CALL_OUT(opts->stall_destroy(opts->stall_user));
  return OB_OK;
}

int ob_inspect(ob_engine *engine, const ob_inspect_opts *opts) {
  ob_inspect_opts off = OB_INSPECT_OPTS_INIT;
  int rc;
  off.flags = 0;
  if (engine == NULL) return bad("engine is NULL");
  rc = ob__enter(engine);
  if (rc != OB_OK) return rc;
  if (opts == NULL) opts = &off;
  rc = ob__inspect_check(opts);
  return rc == OB_OK ? ob__inspect_set(engine, opts) : rc;
}

static void forget(ob__insight *insight) {
  ob__recorder *recorder = ob__load_acquire(&insight->recorder);
  ob__histogram_reset(&insight->lag);
  ob__histogram_reset(&insight->wait);
  ob__histogram_reset(&insight->run);
  if (recorder != NULL)
    ob__store_relaxed(&recorder->first, ob__load_relaxed(&recorder->next));
}

int ob_inspect_reset(ob_engine *engine) {
  ob__insight *insight;
  int rc;
  if (engine == NULL)
    return ob__fail(OB_EINVAL, "ob_inspect_reset: engine is NULL");
  rc = ob__enter(engine);
  if (rc != OB_OK && rc != OB_EBROKEN) return rc;
  insight = ob__load_acquire(&engine->insight);
  if (insight != NULL) forget(insight);
  return OB_OK;
}

void ob__inspect_unwatch(ob_engine *engine) {
  ob__insight *insight = ob__load_acquire(&engine->insight);
  if (insight != NULL) ob__watch_clear(insight);
}

void ob__inspect_end(ob_engine *engine) {
  if (ob__load_acquire(&engine->insight) == NULL) return;
  publish(engine, 0);
  ob__inspect_unwatch(engine);
}

/* A slot, the watchdog and the mask may have been in the hands of threads that
 * the child does not have. */
void ob__inspect_restart(ob_engine *engine, ob__insight *insight) {
  ob_inspect_opts opts;
  if (insight == NULL) return;
  opts = insight->opts;
  engine->insight = insight;
  if (insight->recorder != NULL)
    memset(insight->recorder->slots, 0,
           insight->recorder->capacity * sizeof(ob__slot));
  forget(insight);
  memset(&insight->watched, 0, sizeof insight->watched);
  insight->refs = 1;
  insight->unblocked = insight->stack_signal = 0;
  insight->mask_busy = 0;
  insight->slept = insight->latest = insight->window = insight->looks = 0;
  ob__inspect_set(engine, &opts); /* without a thread for it: not watched */
}
