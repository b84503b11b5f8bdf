/* Per-thread records, their lanes, and error texts.
 *
 * A thread's record and lanes come from process-lifetime pools: recycled when
 * the thread ends, never freed, since a deferred wake or a late free may still
 * reach them. Four thread-local words only: a dlopened image has little static
 * TLS, and lazily allocated TLS makes glibc abort when memory is short. */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define OB_TLS static __thread __attribute__((tls_model("initial-exec")))

OB_TLS ob__thread *tls_self;
OB_TLS ob_engine *tls_loop;
OB_TLS ob__lane *tls_lane;     /* the lane used last */
OB_TLS uint64_t tls_engine_id; /* its engine */

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static uint64_t key_word;        /* set once: the key, and 1; 0: none yet */
static ob__thread *free_threads; /* registry */
static ob__lane *free_lanes;     /* registry */

void ob__registry_lock(void) {
  pthread_mutex_lock(&registry);
}
void ob__registry_unlock(void) {
  pthread_mutex_unlock(&registry);
}

ob_engine *ob__loop_self(void) {
  return tls_loop;
}
void ob__loop_enter(ob_engine *engine) {
  tls_loop = engine;
}
ob_engine *ob_engine_current(void) {
  return tls_loop;
}

/* --- Records ---------------------------------------------------------------
 */

/* Runs as the last entry of an ended thread's lane. */
static void lane_last(void *arg, int status) {
  ob__lane *lane = arg;
  (void)status;
  lane->ended = 1;
}

static void lane_retire_locked(ob__lane *lane);

/* The thread has ended; its lane goes when the loop has run what it holds. All
 * under the registry lock, which also keeps the engine from being freed. */
static void lane_orphan(ob__lane *lane) {
  int rc = OB_ESHUTDOWN;
  ob__store_relaxed(&lane->thread, NULL);
  if (lane->engine == NULL) { /* the engine went first */
    lane->next_of_engine = free_lanes;
    free_lanes = lane;
    return;
  }
  /* In a fork child the lane is the parent's: leave it alone. */
  if (lane->engine->fork_word != ob__fork_word()) return;
  /* A lane that ever held an entry, or whose box is open, may still be in the
   * loop's hands, however idle it looks: the loop gives it back. */
  if (lane->tail != 0 ||
#ifndef OB_BREAK_BOX_ORPHAN
      /* Acquire: pairs with the CAS in ob__box_close, the loop's last touch. */
      ob__load_acquire(&lane->box.word) != 0 ||
#endif
      ob__load_relaxed(&lane->listed) != ob__load_acquire(&lane->unlisted))
    rc = ob__lane_append(lane, lane_last, lane);
  if (rc == OB_ESHUTDOWN) lane_retire_locked(lane);
  /* OB_ENOMEM: the lane stays with the engine until that ends. */
}

static void thread_ended(void *arg) {
  ob__thread *self = arg;
  ob__lane *lane, *next;
  ob__registry_lock();
  for (lane = self->lanes; lane != NULL; lane = next) {
    next = lane->next_of_thread;
    lane_orphan(lane);
  }
  ob__registry_unlock();
  tls_self = NULL;
  tls_lane = NULL;
  tls_engine_id = 0;
  self->lanes = NULL;
#ifndef OB_BREAK_RECYCLE
  ob__registry_lock();
  self->next_free = free_threads;
  free_threads = self;
  ob__registry_unlock();
#endif
}

/* Not by pthread_once: that wakes others whether there are any or not, and
 * where futex is denied glibc then ends the process, before the error is
 * reported. */
static int make_key(void) {
  uint64_t none = 0;
  pthread_key_t fresh;
  if (ob__load_acquire(&key_word) != 0) return 1;
  if (pthread_key_create(&fresh, thread_ended) != 0) return 0;
  if (!ob__cas_acq_rel(&key_word, &none, (uint64_t)fresh + 1))
    pthread_key_delete(fresh); /* another thread was first */
  return 1;
}

static ob__thread *thread_take(void) {
  ob__thread *self;
  ob__registry_lock();
  self = free_threads;
  if (self != NULL) free_threads = self->next_free;
  ob__registry_unlock();
  if (self == NULL) {
    self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    ob__parker_init(&self->parker);
  }
  self->lanes = NULL;
  self->pool = NULL;
  self->spin_credit = 8;
  self->detail[0] = '\0';
  return self;
}

ob__thread *ob__thread_known(void) {
  return tls_self;
}

ob__thread *ob__thread_self(void) {
  ob__thread *self = tls_self;
  if (OB_LIKELY(self != NULL)) return self;
  if (!make_key()) return NULL;
  self = thread_take();
  if (self == NULL) return NULL;
  if (pthread_setspecific((pthread_key_t)(ob__load_acquire(&key_word) - 1),
                          self) != 0) {
    thread_ended(self);
    return NULL;
  }
  tls_self = self;
  return self;
}

/* A thread of the parent's may have been about to wake this one, or the next
 * that gets a record of those kept, and so hold the parker's mutex, where it
 * has one. */
static void parkers_in_child(void) {
  ob__thread *kept;
  if (tls_self != NULL) ob__parker_init(&tls_self->parker);
  for (kept = free_threads; kept != NULL; kept = kept->next_free)
    ob__parker_init(&kept->parker);
}

/* In a fork child: this thread is no loop's and no pool's any more. */
void ob__thread_in_child(void) {
#ifndef OB_BREAK_STRAY
  if (tls_loop != NULL) ob__store_relaxed(&ob__stray, 1u);
#endif
  tls_loop = NULL;
  if (tls_self != NULL) tls_self->pool = NULL;
#ifndef OB_BREAK_PARKERS
  parkers_in_child();
#endif
}

/* --- Lanes -----------------------------------------------------------------
 */

static ob__lane *lane_new(ob_engine *engine, ob__thread *self) {
  ob__lane *lane;
  ob__registry_lock();
  lane = free_lanes;
  if (lane != NULL) free_lanes = lane->next_of_engine;
  ob__registry_unlock();
  if (lane == NULL) {
    void *memory = NULL;
    if (posix_memalign(&memory, OB_LINE, sizeof *lane) != 0) return NULL;
    lane = memory;
    memset(lane, 0, sizeof *lane);
  }
  ob__lane_init(lane);
  lane->engine = engine;
  lane->engine_id = engine->id;
  ob__store_relaxed(&lane->thread, self);
  lane->next_of_thread = self->lanes;
  self->lanes = lane;
  ob__registry_lock();
  lane->next_of_engine = engine->lanes;
  engine->lanes = lane;
  ob__registry_unlock();
  return lane;
}

/* Drops lanes of this thread whose engine has ended. */
static void lanes_prune(ob__thread *self) {
  ob__lane **at = &self->lanes, *lane;
  /* Usually none has, and the process-wide lock is spared. */
  for (lane = self->lanes; lane != NULL; lane = lane->next_of_thread)
    if (ob__load_relaxed(&lane->engine_id) == 0) break;
  if (lane == NULL) return;
  ob__registry_lock();
  while ((lane = *at) != NULL) {
    if (lane->engine != NULL) {
      at = &lane->next_of_thread;
      continue;
    }
    *at = lane->next_of_thread;
    ob__store_relaxed(&lane->thread, NULL);
    lane->next_of_engine = free_lanes;
    free_lanes = lane;
  }
  ob__registry_unlock();
}

ob__lane *ob__lane_get(ob_engine *engine) {
  ob__thread *self;
  ob__lane *lane;
  if (OB_LIKELY(tls_engine_id == engine->id)) return tls_lane;
  self = ob__thread_self();
  if (self == NULL) return NULL;
  lanes_prune(self);
  for (lane = self->lanes; lane != NULL; lane = lane->next_of_thread)
    if (ob__load_relaxed(&lane->engine_id) == engine->id) break;
  if (lane == NULL) lane = lane_new(engine, self);
  if (lane == NULL) return NULL;
  tls_lane = lane;
  tls_engine_id = engine->id;
  return lane;
}

static void fold_counters(ob_engine *engine, ob__lane *lane) {
  engine->r_submitted += ob__load_relaxed(&lane->n_submitted);
  engine->r_refused += ob__load_relaxed(&lane->n_refused);
  engine->r_wakes += ob__load_relaxed(&lane->n_wakes);
}

static void lane_retire_locked(ob__lane *lane) {
  ob_engine *engine = lane->engine;
  ob__lane **at;
  ob__lane_free_blocks(lane);
  for (at = &engine->lanes; *at != lane; at = &(*at)->next_of_engine) {
  }
  *at = lane->next_of_engine;
  fold_counters(engine, lane);
  ob__add_relaxed(&engine->credits, (int64_t)ob__load_relaxed(&lane->quota));
  lane->engine = NULL;
  ob__store_relaxed(&lane->engine_id, UINT64_C(0));
  if (lane->thread == NULL) {
    lane->next_of_engine = free_lanes;
    free_lanes = lane;
  }
}

void ob__lane_retire(ob__lane *lane) {
  /* Nobody can call through it any more, so this succeeds. */
  if (lane->engine->box_lane == lane) ob__box_close(lane->engine);
  ob__registry_lock();
  /* The ending thread appends and schedules under the lock: seen again here, a
   * lane that it has queued is not given away; its next run comes back. */
  if (ob__load_acquire(&lane->scheduled) == OB__LANE_IDLE)
    lane_retire_locked(lane);
  ob__registry_unlock();
}

void ob__lanes_retire(ob_engine *engine) {
  ob__registry_lock();
  while (engine->lanes != NULL) {
    while (ob__load_acquire(&engine->lanes->pushing)) sched_yield();
    lane_retire_locked(engine->lanes);
  }
  ob__registry_unlock();
}

/* --- Errors ----------------------------------------------------------------
 */

int ob__fail(int status, const char *format, ...) {
  ob__thread *self = ob__thread_self();
  va_list args;
  if (self == NULL) return status;
  va_start(args, format);
  vsnprintf(self->detail, sizeof self->detail, format, args);
  va_end(args);
  return status;
}

const char *ob_last_error_detail(void) {
  return tls_self != NULL ? tls_self->detail : "";
}

void ob__die(const char *cause, const char *cure) {
  fprintf(stderr, "outboard: %s\n  cure: %s\n", cause, cure);
  abort();
}

void ob__assert_loop(const ob_engine *engine, const char *function) {
  if (OB_LIKELY(tls_loop == engine)) return;
  fprintf(stderr, "outboard: %s was called off the loop thread\n", function);
  ob__die("a loop-only function ran on another thread",
          "call it from a handler, a callback or a hook of that engine");
}
