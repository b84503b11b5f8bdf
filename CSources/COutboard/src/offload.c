/* The offload pool: the engine's own threads for work that blocks.
 *
 * Bounded in threads and in waiting jobs; grows on demand, idle threads leave.
 * Not libuv's pool: that is one for the process, without a limit on its queue,
 * and its destructor joins at exit. A thread that is blocked in a call does not
 * count against the limit (up to a hard one), since what it waits for may need
 * the pool. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

typedef struct ob__offload {
  pthread_mutex_t mutex;
  pthread_cond_t work; /* a job, or stopping */
  pthread_cond_t gone; /* a thread has left */
  ob_engine *engine;
  ob_request *first, *last; /* mutex, like all below: FIFO of waiting jobs */
  uint32_t queued, threads, idle, blocked;
  int stopping;
} ob__offload;

int ob__offload_start(ob_engine *engine) {
  ob__offload *pool = calloc(1, sizeof *pool);
  if (pool == NULL)
    return ob__fail(OB_ENOMEM, "ob_engine_start: no memory for the pool");
  pthread_mutex_init(&pool->mutex, NULL);
  ob__cond_init(&pool->work);
  ob__cond_init(&pool->gone);
  pool->engine = engine;
  engine->offload = pool;
  return OB_OK;
}

/* --- The waiting jobs (under mutex) -----------------------------------------
 */

static void append(ob__offload *pool, ob_request *request) {
  ob__full *full = ob__full_of(request);
  full->pool_next = NULL;
  full->pool_prev = pool->last;
  if (pool->last != NULL)
    ob__full_of(pool->last)->pool_next = request;
  else
    pool->first = request;
  pool->last = request;
  pool->queued++;
}

static void take_out(ob__offload *pool, ob_request *request) {
  ob__full *full = ob__full_of(request);
  if (full->pool_prev != NULL)
    ob__full_of(full->pool_prev)->pool_next = full->pool_next;
  else
    pool->first = full->pool_next;
  if (full->pool_next != NULL)
    ob__full_of(full->pool_next)->pool_prev = full->pool_prev;
  else
    pool->last = full->pool_prev;
  full->pool_prev = full->pool_next = NULL;
  pool->queued--;
}

static int waits(const ob__offload *pool, const ob_request *request) {
  const ob__full *full = (const ob__full *)request;
  return full->pool_prev != NULL || full->pool_next != NULL ||
         pool->first == request;
}

/* --- Threads ----------------------------------------------------------------
 */

/* Runs one job, unless it has ended while it waited. */
static void run_job(ob_request *request) {
  uint32_t old, word, measured = request->flags & OB__FLAG_LOOK;
  ob__look *look = &ob__full_of(request)->look;
  if (ob__load_relaxed(&request->engine->exiting))
    for (;;) pause(); /* nothing new starts */
  /* A cancelling stop ends what waits; it may not have come round to it. */
  if (ob__load_relaxed(&request->engine->gate) == OB__STOP_CANCEL)
    ob__end_early(request, OB__END_SHUTDOWN);
#ifdef OB_BREAK_KEEP /* a window, made wider */
  for (int i = 0; i < 4000; i++) ob__pause();
#endif
  old = ob__load_acquire(&request->state);
  do {
    if (old & OB__DONE) {
      /* The loop must hear that no handler will answer. */
      old = ob__or_acq_rel(&request->state, OB__ANSWERED | OB__NODE);
      if (!(old & OB__NODE)) ob__push_exempt(request->engine, &request->node);
      return;
    }
  } while (!ob__cas_weak_acq_rel(&request->state, &old, old | OB__RUNNING));
  ob__request_ref(request); /* valid until the handler returns */
  if (OB_UNLIKELY(measured)) ob__look_begin(request->engine, look);
  word = ob__fork_word();
  OB__CALL_OUT(request->handler(request, request->input, request->input_size,
                                request->user));
#ifndef OB_BREAK_STRAY
  if (ob__fork_word() != word) ob__die_stray();
#endif
  if (OB_UNLIKELY(measured)) ob__look_return(request->engine, look);
  ob__request_unref(request);
}

/* Under mutex: the next job, or NULL when this thread is to leave. */
static ob_request *next_job(ob__offload *pool) {
  ob_request *request;
  uint64_t until = ob__deadline(pool->engine->opts.offload_idle_ns);
  int rc = OB_OK;
  pool->idle++;
  while (pool->first == NULL && !pool->stopping && rc == OB_OK)
    rc = ob__cond_wait(&pool->work, &pool->mutex, until);
  pool->idle--;
  request = pool->first;
  if (request != NULL) take_out(pool, request);
  return request;
}

static void *pool_thread(void *arg) {
  ob__offload *pool = arg;
  ob__thread *self = ob__thread_self();
  ob_request *request;
  ob__thread_name(pool->engine->name);
  if (self != NULL) self->pool = pool;
  pthread_mutex_lock(&pool->mutex);
  while ((request = next_job(pool)) != NULL) {
    pthread_mutex_unlock(&pool->mutex);
    run_job(request);
    pthread_mutex_lock(&pool->mutex);
  }
  if (self != NULL) self->pool = NULL;
  pool->threads--;
  pthread_cond_broadcast(&pool->gone);
  pthread_mutex_unlock(&pool->mutex);
  return NULL;
}

/* Under mutex: a thread comes back for more without anybody's help. */
static int can_serve(const ob__offload *pool) {
#ifdef OB_BREAK_NO_THREAD
  return pool->threads > 0;
#endif
  return pool->threads > pool->blocked;
}

/* Under mutex: one more thread if jobs wait and the limits allow it. */
static int grow(ob__offload *pool) {
  const ob_engine_opts *opts = &pool->engine->opts;
  uint32_t counted = pool->threads - pool->blocked;
  pthread_t thread;
  int rc;
#ifdef OB_BREAK_BLOCKED
  counted = pool->threads;
#endif
  if (pool->queued <= pool->idle || counted >= opts->offload_threads ||
      pool->threads >= opts->offload_hard_limit)
    return OB_OK;
  rc = ob__thread_create(&thread, opts->stack_size, pool_thread, pool);
  if (rc != 0) return can_serve(pool) ? OB_OK : OB_ESYSTEM;
  pthread_detach(thread);
  pool->threads++;
  return OB_OK;
}

/* --- From the loop ----------------------------------------------------------
 */

int ob__offload_push(ob_engine *engine, ob_request *request) {
  ob__offload *pool = engine->offload;
  int rc = OB_EAGAIN;
  pthread_mutex_lock(&pool->mutex);
  if (pool->queued < engine->opts.offload_queue) {
    append(pool, request);
    rc = grow(pool);
    if (rc == OB_OK)
      pthread_cond_signal(&pool->work);
    else
      take_out(pool, request);
  }
  pthread_mutex_unlock(&pool->mutex);
  return rc;
}

int ob__offload_remove(ob_engine *engine, ob_request *request) {
  ob__offload *pool = engine->offload;
  int found;
  pthread_mutex_lock(&pool->mutex);
  found = waits(pool, request);
  if (found) take_out(pool, request);
  pthread_mutex_unlock(&pool->mutex);
  return found;
}

/* A thread of the pool begins or ends waiting inside a call. When all wait and
 * the system gives no other thread, what is queued may be what they wait for:
 * it is refused as it would be if it came now. */
void ob__offload_blocked(ob__offload *pool, int delta) {
  pthread_mutex_lock(&pool->mutex);
  pool->blocked += (uint32_t)delta;
  while (grow(pool) != OB_OK) { /* so there is one that waits */
    ob_request *request = pool->first;
    take_out(pool, request);
    pthread_mutex_unlock(&pool->mutex);
    ob__end_early(request, OB__END_NOTHREAD);
    run_job(request); /* tells the loop */
    pthread_mutex_lock(&pool->mutex);
  }
  pthread_mutex_unlock(&pool->mutex);
}

/* Ends the threads; nothing is queued any more. */
int ob__offload_stop(ob_engine *engine) {
  ob__offload *pool = engine->offload;
  pthread_mutex_lock(&pool->mutex);
  pool->stopping = 1;
  pthread_cond_broadcast(&pool->work);
  while (pool->threads > 0)
    ob__cond_wait(&pool->gone, &pool->mutex, OB_FOREVER);
  pthread_mutex_unlock(&pool->mutex);
  return OB_OK;
}

void ob__offload_free(ob_engine *engine) {
  ob__offload *pool = engine->offload;
  if (pool == NULL) return;
  pthread_cond_destroy(&pool->gone);
  pthread_cond_destroy(&pool->work);
  pthread_mutex_destroy(&pool->mutex);
#ifndef OB_BREAK_FREE
  free(pool);
#endif
}

void ob__offload_stats(ob_engine *engine, ob_stats *out) {
  ob__offload *pool = engine->offload;
  pthread_mutex_lock(&pool->mutex);
  out->offload_threads = pool->threads;
  out->offload_queued = pool->queued;
  pthread_mutex_unlock(&pool->mutex);
}
