/* What the files of the core share: the engine's struct, and functions that
 * cross files (ob__). States of requests are in request.h, the queue in
 * queue.h. */
#ifndef OB_INTERNAL_H
#define OB_INTERNAL_H

#include <pthread.h>
#include <stdalign.h>
#include <uv.h>

#include "atomic.h"
#include "guard.h"
#include "inspect.h"
#include "outboard.h"
#include "outboard_spi.h"
#include "outboard_uv.h"
#include "prim.h"
#include "queue.h"
#include "request.h"
#include "wheel.h"

/* --- Per-thread records (thread.c) ---------------------------------------- */

/* One per thread that ever called. From a process-lifetime pool, recycled and
 * never freed: a deferred wake may reach the parker after the thread ended. */
typedef struct ob__thread {
  ob__parker parker;            /* any thread unparks */
  struct ob__thread *next_free; /* registry lock, while in the pool */
  struct ob__lane *lanes;       /* owner; list by next_of_thread */
  struct ob__offload *pool;     /* owner; not NULL on a pool thread */
  int32_t spin_credit;          /* owner: spinning pays when above 0 */
  uint32_t spin_probe;          /* owner: counts calls that did not spin */
  int32_t long_credit;          /* owner: the same for long spinning */
  uint32_t long_probe;          /* owner */
  uint32_t spins;               /* owner: spi.c */
  uint32_t turn;                /* owner: calls until it yields (spin.c) */
  char detail[512];             /* owner: ob_last_error_detail */
} ob__thread;

/* This thread's record; NULL when out of memory. */
ob__thread *ob__thread_self(void);
ob__thread *ob__thread_known(void); /* if it has one: allocates nothing */
/* The engine whose loop this thread runs, or NULL. */
ob_engine *ob__loop_self(void);
void ob__loop_enter(ob_engine *engine);
void ob__thread_in_child(void);
/* This thread's lane into engine; NULL when out of memory. */
struct ob__lane *ob__lane_get(ob_engine *engine);
/* Detaches every lane of a dead engine from its thread. */
void ob__lanes_retire(ob_engine *engine);
void ob__registry_lock(void);
void ob__registry_unlock(void);

/* Sets this thread's detail text and returns status. */
int ob__fail(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Ends the process, naming cause and cure. */
void ob__die(const char *cause, const char *cure)
    __attribute__((noreturn, format(printf, 1, 0)));

/* --- Spinning (spin.c) --------------------------------------------------- */

/* Yields are guarded: several slow ones in a while (another process wants the
 * CPU) ban yielding for a while. Any thread, relaxed; times in ns. */
typedef struct ob__yield {
  uint64_t banned_until;
  uint64_t ban;   /* length of the last ban */
  uint64_t first; /* the first slow yield of those counted */
  uint64_t last;  /* the end of the last one */
  int32_t slow;   /* how many there were since the first */
} ob__yield;

/* How long a yield may take with so many callers before it is slow. */
uint64_t ob__yield_limit(uint32_t callers);
/* Notes a slow one, and bans yielding if that was one too many. */
void ob__yield_slow(ob__yield *guard, uint64_t begin, uint64_t now);

/* --- Engine --------------------------------------------------------------- */

struct ob_start_token {
  ob_engine *engine;
  int answered;   /* life.mutex */
  int status;     /* life.mutex */
  char text[256]; /* life.mutex */
};

enum ob__life { OB__BOOTING, OB__ALIVE, OB__EXITED };
#define OB__RESTARTING (-1)
/* exit() found the loop ended, or the loop has halted for good. */
enum ob__halted { OB__ENDED = 1, OB__HALTED };
enum ob__stop { OB__STOP_NONE, OB__STOP_DRAIN, OB__STOP_CANCEL };

struct ob_engine {
  /* Written by every submitter. */
  alignas(OB_LINE) ob_node *head; /* queue.h */
  /* Written by blocked callers only: how many there are. */
  alignas(OB_LINE) uint32_t callers;
  /* Written by the loop when it changes; read by callers. */
  alignas(OB_LINE) int32_t loop_cpu; /* -1 while it sleeps */

  /* Read-mostly. */
  alignas(OB_LINE) uint64_t id; /* unique in the process, never 0 */
  uint32_t fork_word;           /* fork.c: the process it belongs to */
  uint32_t gate;                /* 1: submitters are refused; any thread */
  uint32_t exiting;             /* exit(): nothing new starts */
  int32_t broken;        /* errno of a wake-up that failed, or RESTARTING */
  int wake_fd;           /* in the loop's epoll set: see wake.c */
  int backend_fd;        /* that set */
  uint32_t lost;         /* 1: the loop is without libuv (lost.c); any thread */
  uint32_t parks;        /* 1: it sleeps on its parker (nap.c); any thread */
  uint32_t inside;       /* threads that nothing else keeps it alive for */
  uint64_t own_wakes;    /* any thread: not for a submission */
  uint32_t credit_chunk; /* credits a lane takes at once */
  uint32_t inspect;      /* inspect.h: what is on; 0: nothing */
  ob_engine_opts opts;   /* as started; name points to name */
  char name[16];
  struct ob__insight *insight; /* set once, release; or NULL */
  int32_t loop_tid;            /* loop, before it reports */
  void *swift_context;         /* set before the engine is shared */
  ob__yield yield;

  /* Room (room.c). */
  alignas(OB_LINE) int64_t credits; /* of queue_limit, not held by a lane */
  uint32_t room_waiters;            /* how many wait for room */
  ob__lock room_lock;
  ob__waiter *room_list; /* room_lock */

  /* Loop thread only from here, but where a reader is named. */
  alignas(OB_LINE) ob_request box_request; /* the call in the box */
  ob_node *ready;                          /* grabbed, in order */
  ob_node *ready_tail;
  ob_request *current;        /* whose handler runs now */
  int current_answered;       /* it called ob_complete */
  const char *current_name;   /* stop's report, relaxed */
  ob_handler current_handler; /* stop's report, relaxed */
  uint32_t drain_status;      /* status for queued work, as unsigned */
  uint32_t budget;            /* items left in this batch */
  uint64_t found;             /* items found by this drain */
  uint64_t batches;           /* drains that found something */
  ob__parker *wakes[64];      /* unparked at the end of the batch */
  uint32_t wake_count;
  uint64_t wake_since; /* when the oldest was put there */
  /* Freed requests of one lane, linked from freed to freed_last. */
  struct ob__lane *freed_lane;
  ob_request *freed, *freed_last;
  uint32_t freed_count;
  uint32_t poll_every; /* batches between looks at timers and I/O */
  uint32_t poll_left;
  uint64_t poll_time;               /* last look, ns */
  uint32_t poll_items;              /* run since the last look */
  int32_t caller_cpu;               /* of the last blocking caller */
  const struct ob__lane *last_lane; /* its lane; NULL after a sleep */
  uint32_t streak;                  /* blocking calls in a row from there */
  /* The box that is open (box.c), or NULL; whose it is; the last call in it. */
  struct ob__lane *box_lane;
  ob__thread *box_thread;
  uint32_t box_seen;
  int box_taken; /* that one has not run yet */
  int32_t spin_credit;
  int32_t wake_credit; /* whether it pays to wait for whom it woke */
  uint32_t spin_probe, wake_probe;
  int woke;                 /* a caller since the last push was found */
  int uv_touched;           /* ob_uv_loop was used in this batch */
  int uv_lent;              /* there is a libuv loop, for others, too */
  void *making;             /* a jmp_buf, while that loop is made */
  int wake_open;            /* wake_fd is ours to close */
  int proved;               /* the set has ended the last sleep */
  int reachable;            /* the thread may be cancelled (lost.c) */
  int sleep_allowed;        /* prepare may announce */
  uint32_t foreign_handles; /* scratch of loop_close_handles */
  ob__wheel wheel;
  uint64_t wheel_set; /* what uv_timer is set to, ms; or UINT64_MAX */
  uv_loop_t uv;
  uv_poll_t wake_poll;
  uv_prepare_t prepare;
  uv_check_t check;
  uv_timer_t timer;
  int hooks_done;  /* on_stop ran */
  int cancel_sent; /* running handlers were told of the stop */

  /* Requests whose handler has returned unanswered, or that wait in the pool.
   * Changed by the loop under running_lock, read by stop under it. */
  alignas(OB_LINE) ob__lock running_lock;
  ob_request *running;
  uint32_t running_count;

  /* Counters with one writer, the loop; readers relaxed. */
  alignas(OB_LINE) uint64_t n_completed;
  uint64_t n_cancelled;
  uint64_t n_timed_out;
  uint64_t n_high_water;
  uint64_t n_sleeps;
  uint64_t idle_ns;   /* spinning, parked; at the end also in epoll_wait */
  uint64_t nap_since; /* ns; 0: it is not parked */
  uint64_t started_at, ended_at; /* ns; 0: not yet */

  /* Registry lock. */
  struct ob__lane *lanes;                   /* list by next_of_engine */
  ob_engine *next_engine;                   /* list for exit() */
  uint64_t r_submitted, r_refused, r_wakes; /* of ended threads */
  /* Wait graph lock (cycle.c): whom this loop waits for. */
  ob_engine **waits_for; /* on the waiter's stack */
  size_t waits_count;
  ob_engine *next_waiting; /* list of those that wait */
  uint64_t visit;

  struct ob__offload *offload;

  struct ob_io *ios; /* loop: sets of the Swift layer (spi_io.c) */
  void (*ios_lose)(ob_engine *engine); /* what to do with them */

  ob__parker parker; /* the loop's, without libuv; any thread unparks */
  ob__lock lost_lock;
  int thread_gone; /* lost_lock: the loop thread may not be cancelled */

  /* Start and stop. */
  pthread_t thread;
  pthread_mutex_t life_mutex;
  pthread_cond_t life_cond;
  int life;           /* life_mutex: enum ob__life */
  int stop;           /* life_mutex for writing; loop reads relaxed */
  int joined;         /* life_mutex: 0, 1 somebody joins, 2 joined */
  int waiters;        /* life_mutex: threads inside stop */
  int self_free;      /* life_mutex: dispose was called */
  uint64_t busy_seen; /* life_mutex: the last snapshot's busy_ns */
  int uv_closed;      /* life_mutex: uv may not be asked (yet, any more) */
  int uv_leaked;      /* the loop could not be closed: its memory stays */
  int started;        /* life_mutex: on_start answered 0, or there is none */
  int hook_pending;   /* set before the hook is posted; token tells the rest */
  int start_given_up; /* life_mutex: the starter did not wait for the hook */
  ob_node stop_node;
  uint32_t stop_node_busy; /* 1 while queued; any thread */
  ob_node halt_node;
  uint32_t halt_sent;
  uint32_t halted; /* exit(): 0, or enum ob__halted */
  ob_start_token token;
};

static inline int ob__on_loop(const ob_engine *engine) {
  return ob__loop_self() == engine;
}
void ob__assert_loop(const ob_engine *engine, const char *function);

/* --- Functions that cross files ------------------------------------------- */

/* entry.c */
int ob__enter(ob_engine *engine);
int ob__check_opts(const ob_call_opts *opts, int submit);
/* Statuses with their texts. */
int ob__refuse_shutdown(const ob_engine *engine);
int ob__refuse_broken(const ob_engine *engine);
int ob__refuse(const ob_engine *engine, int rc);
/* A blocked call is no place to be cancelled in (pthread_cancel). */
static inline int ob__cancel_off(void) {
  int old;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
  return old;
}
static inline void ob__cancel_restore(int old) {
  pthread_setcancelstate(old, NULL);
}

/* fork.c */
int ob__fork_init(void);
uint32_t ob__fork_word(void);
/* 1 in a child that was forked on a loop thread. */
extern uint32_t ob__stray;
/* A thread of ours that is not ours in this process has come back to us. */
void ob__die_stray(void) __attribute__((noreturn));
int ob__forked_slow(ob_engine *engine);
int ob__engine_restart(ob_engine *engine);
void ob__engine_reset(ob_engine *engine);
int ob__engine_init_life(ob_engine *engine);
void ob__restart_in_child(void);
void ob__restart_await(void);

/* shared.c */
void ob__shared_forget(ob_engine *engine);
void ob__shared_in_child(void);

/* engine.c, boot.c */
int ob__engine_boot(ob_engine *engine);
int ob__engine_run_start_hook(ob_engine *engine);
void ob__engine_free(ob_engine *engine);
void *ob__loop_thread(void *engine);
int ob__loop_open(ob_engine *engine);
int ob__thread_create(pthread_t *thread, size_t stack, void *(*fn)(void *),
                      void *arg);
void ob__thread_name(const char *name);

/* drain.c */
uint32_t ob__drain(ob_engine *engine);
void ob__ready_append(ob_engine *engine, ob_node *node);
void ob__wake_later(ob_engine *engine, ob__parker *parker);
void ob__wake_flush(ob_engine *engine);
/* An answered caller is woken at the end of the batch, so that one system call
 * wakes many, but no later than this, and the item that runs then. */
#define OB__WAKE_DELAY UINT64_C(20000)
static inline void ob__wake_aged(ob_engine *engine) {
  if (engine->wake_count > 0 &&
      ob__now() - engine->wake_since >= OB__WAKE_DELAY)
    ob__wake_flush(engine);
}
void ob__note_found(ob_engine *engine, uint64_t count);

/* submit.c */
int ob__submit_full(ob_request **out, struct ob__lane *lane,
                    const ob_call_opts *opts, uint32_t flags);

/* Counts what became of a submission, and returns it. */
static inline int ob__counted(struct ob__lane *lane, int rc) {
  ob__count(rc == OB_OK ? &lane->n_submitted : &lane->n_refused, 1);
  return rc;
}

/* post.c: without ob__enter */
int ob__post_in(ob_engine *engine, ob_post_fn fn, void *arg, int nowait);
/* The function that a lane's entry stands for. */
uintptr_t ob__post_function(ob_post_fn fn, const void *arg);

/* stop.c */
/* Begins a cancelling stop and waits for it. */
int ob__stop_now(ob_engine *engine, uint64_t patience_ns);
void ob__stop_run(ob_node *node, int status);
int ob__stop_step(ob_engine *engine);
/* Under life_mutex. */
void ob__stop_begin(ob_engine *engine, int how);

/* exit.c */
void ob__exit_register(ob_engine *engine);
void ob__exit_unregister(ob_engine *engine);
void ob__exit_slow(ob_engine *engine);
/* Before anything starts on the loop, and after every handler. */
static inline void ob__exit_check(ob_engine *engine) {
  if (OB_UNLIKELY(ob__load_relaxed(&engine->exiting) |
                  ob__load_relaxed(&ob__stray)))
    ob__exit_slow(engine);
}

/* room.c */
int ob__room_take(struct ob__lane *lane, int nowait, uint64_t deadline);
void ob__room_freed(ob_engine *engine);

/* spin.c */
/* What a caller waits for: (*word & mask) == value. */
typedef struct ob__watch {
  const uint32_t *word;
  uint32_t mask, value;
} ob__watch;
static inline ob__watch ob__watch_done(const ob_request *request) {
  return (ob__watch){&request->state, OB__DONE, OB__DONE};
}
void ob__spin_measure(void); /* before the first engine */
int ob__spin_caller(ob_engine *engine, ob__thread *self, ob__watch watch);
int ob__spin_loop(ob_engine *engine);
/* spi.c: as ob_spi_spin. */
int ob__spin_awaiter(ob_engine *engine, ob__watch watch);
/* Yields for about as long as a sleep and a wake-up take, at most. */
void ob__yield_while(ob_engine *engine, const int *word, int value);

/* wait.c */
void ob__block_begin(ob__thread *self);
void ob__block_end(ob__thread *self);
int ob__wait_request(ob_request *request, uint64_t deadline);
void ob__wait_bare(ob_request *request, ob__thread *self);
int ob__wait_ticket(ob_ticket *ticket, uint64_t relative);

/* cycle.c */
int ob__cycle_enter(ob_engine **targets, size_t count, const char *what);
/* The same in two steps: no engine is freed in between. */
void ob__cycle_lock(void);
int ob__cycle_enter_locked(ob_engine **targets, size_t count, const char *what);
void ob__cycle_leave(void);
/* The engine is about to be freed: nobody waits for it any more. */
void ob__cycle_forget(ob_engine *engine);
void ob__cycle_in_child(void);
/* system.c */
int ob__system_locks(void), ob__system_check(void), ob__system_memory(void);

/* offload.c */
int ob__offload_start(ob_engine *engine);
int ob__offload_push(ob_engine *engine, ob_request *request);
int ob__offload_remove(ob_engine *engine, ob_request *request);
void ob__offload_blocked(struct ob__offload *pool, int delta);
int ob__offload_stop(ob_engine *engine);
void ob__offload_free(ob_engine *engine);
void ob__offload_stats(ob_engine *engine, ob_stats *out);

/* cq.c */
void ob__cq_deliver(ob_request *request);
void ob__cq_begin(ob_cq *cq);
void ob__cq_abort(ob_cq *cq);

/* result.c */
int ob__result_failed(const ob_result *result);

#include "box.h"
#include "fds.h"
#include "look.h"
#endif
