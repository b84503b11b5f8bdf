/* Outboard: engines: start, stop, statistics. Included by outboard.h. */
#ifndef OUTBOARD_ENGINE_H
#define OUTBOARD_ENGINE_H

#include "outboard_status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OB_FOREVER UINT64_MAX

/* One loop on one thread. Opaque, made by ob_engine_start. */
typedef struct ob_engine ob_engine;

/* Names one start whose on_start hook has not answered yet. */
typedef struct ob_start_token ob_start_token;

/* Runs on the loop thread before ob_engine_start returns, and answers once by
 * ob_start_done, at once or later from any thread. It may submit to the
 * engine; other threads cannot reach it yet. */
typedef void (*ob_start_hook)(ob_engine *engine, ob_start_token *token,
                              void *user);

/* Runs on the loop thread when everything accepted has finished, after a
 * successful start only. */
typedef void (*ob_stop_hook)(ob_engine *engine, void *user);

struct ob_inspect_opts;

enum ob_fork_policy {
  OB_FORK_FAIL = 0,    /* in a fork child every call returns OB_EFORKED */
  OB_FORK_RESTART = 1, /* the child's first call starts a fresh loop */
};

enum ob_stop_mode {
  OB_STOP_CANCEL = 0, /* queued work completes with OB_ESHUTDOWN */
  OB_STOP_DRAIN = 1,  /* what was accepted runs */
};

typedef struct ob_engine_opts {
  size_t size;      /* sizeof(ob_engine_opts) */
  const char *name; /* thread name, at most 15 bytes; copied */
  /* Of each thread, in bytes, at least 64 KiB; 0: 8 MiB (1 MiB with 32 bits),
   * whatever the host's RLIMIT_STACK is. */
  size_t stack_size;
  uint32_t queue_limit; /* most items queued at once */
  uint32_t batch_limit; /* items run before timers and I/O do */
  /* Spinning before parking; 0: never spin. While that pays, and only then, a
   * lone caller goes on for up to 40 us, which parking would cost as well, and
   * the loop for up to 120 us after it has woken a lone caller. */
  uint32_t spin_ns;
  uint32_t fork_policy;        /* enum ob_fork_policy */
  uint32_t offload_threads;    /* most threads of the pool */
  uint32_t offload_hard_limit; /* most when some are blocked in a call */
  uint32_t offload_queue;      /* most jobs waiting for a pool thread */
  /* An idle pool thread leaves after this; the loop's is then the only one. */
  uint64_t offload_idle_ns;
  uint64_t start_timeout_ns;             /* for on_start's answer */
  ob_start_hook on_start;                /* may be NULL */
  ob_stop_hook on_stop;                  /* may be NULL */
  void *user;                            /* for both hooks */
  const struct ob_inspect_opts *inspect; /* outboard_inspect.h; NULL: off */
} ob_engine_opts;

#define OB_ENGINE_OPTS_INIT \
  {sizeof(ob_engine_opts),  \
   "outboard",              \
   0,                       \
   65536u,                  \
   256u,                    \
   2000u,                   \
   OB_FORK_FAIL,            \
   4u,                      \
   64u,                     \
   1024u,                   \
   UINT64_C(10000000000),   \
   UINT64_C(30000000000),   \
   NULL,                    \
   NULL,                    \
   NULL,                    \
   NULL}

/* Starts an engine. Returns when its loop thread runs and on_start has
 * answered 0. opts may be NULL for the defaults and is not kept.
 *
 * OB_EINVAL   out is NULL or an option is out of range (detail names it)
 * OB_ENOMEM   no memory
 * OB_ESYSTEM  no thread to be had, or a system call is denied (detail has the
 *             reason and the cure)
 * OB_ESTART   on_start answered an error (detail has its text)
 * OB_ETIMEDOUT on_start did not answer in start_timeout_ns; the half-started
 *             engine frees itself when the hook returns
 *
 * On failure *out is NULL. The caller owns *out: ob_engine_destroy. */
OB_API int ob_engine_start(ob_engine **out, const ob_engine_opts *opts);

/* Answers a start: status 0, or an error whose text (copied, may be NULL)
 * ob_engine_start gives back. Any thread; exactly once per token: a second
 * call is undefined. Cannot fail. */
OB_API void ob_start_done(ob_start_token *token, int status, const char *text);

/* The process's shared engine, started by the first caller with its opts (NULL:
 * the defaults); later callers' opts are ignored. Threads that race here wait
 * for one start and get the same answer; a start that failed is tried again by
 * the next call. In a fork child it is started afresh. Errors as for
 * ob_engine_start; OB_ESHUTDOWN after it was stopped, until it is destroyed;
 * OB_EDEADLK on a loop thread while it starts. */
OB_API int ob_engine_shared(ob_engine **out, const ob_engine_opts *opts);

/* Stops the engine and joins its thread. New submissions are refused; running
 * handlers see cancellation in cancel mode. Waits deadline_ns at most.
 *
 * OB_OK          stopped (also when it already was)
 * OB_ETIMEDOUT   something still runs; detail names it; call again to go on
 *                waiting (a later OB_STOP_CANCEL hardens an earlier drain)
 * OB_EINPROGRESS called on the engine's own loop thread: the stop has begun
 *                and is finished by a stop or destroy from elsewhere
 * OB_EDEADLK     on another engine's loop, in a cycle (the stop has begun)
 * OB_EINVAL, OB_EFORKED
 *
 * May be called twice and from several threads at once. */
OB_API int ob_engine_stop(ob_engine *engine, int mode, uint64_t deadline_ns);

/* Frees a stopped engine; stops one that runs (cancel mode, 5 s). NULL is
 * allowed. Threads blocked in a call, or for room, return first; no call may
 * begin any more, and no other stop be under way. Tickets stay valid until
 * released.
 *
 * OB_EBUSY   the engine did not stop; it is not freed (detail names what runs)
 * OB_EPERM   called on its own loop thread; use ob_engine_dispose
 * OB_EINPROGRESS on its own pool thread; OB_EDEADLK and OB_EFORKED as for stop:
 *            it is not freed either */
OB_API int ob_engine_destroy(ob_engine *engine);

/* Gives the engine up without waiting: it stops in cancel mode and frees
 * itself when the last handler has returned. Never blocks; any thread, its own
 * loop thread included. Threads blocked in a call, or for room, return with
 * OB_ESHUTDOWN; otherwise the handle is invalid at once. NULL is allowed. */
OB_API void ob_engine_dispose(ob_engine *engine);

/* The engine whose loop thread this is, or NULL. */
OB_API ob_engine *ob_engine_current(void);

/* Counters since the start. Each is exact when the engine is quiet; while it
 * works they are read one after the other. */
typedef struct ob_stats {
  size_t size;               /* sizeof(ob_stats), set by the caller */
  uint64_t submitted;        /* calls, submissions and posts accepted */
  uint64_t completed;        /* of these: finished, whatever the outcome */
  uint64_t cancelled;        /* finished by cancel or shutdown */
  uint64_t timed_out;        /* finished by their deadline */
  uint64_t refused;          /* not accepted: no room, stopping, no memory */
  uint64_t in_flight;        /* accepted and not finished */
  uint64_t queue_high_water; /* most items found by one drain */
  uint64_t wakes_written;    /* system calls made to wake the loop, also
                                for completions, cancels and the stop */
  uint64_t wakes_avoided;    /* submissions that needed none */
  uint64_t sleeps;           /* times the loop went to sleep */
  uint64_t busy_ns;          /* loop time outside sleeping and spinning */
  uint64_t offload_threads;  /* pool threads alive now */
  uint64_t offload_queued;   /* jobs waiting for one */
} ob_stats;

#define OB_STATS_INIT {sizeof(ob_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* Takes a snapshot. OB_EINVAL when a pointer is NULL or size is not set;
 * OB_EFORKED. Any thread, never waits for the loop. */
OB_API int ob_engine_stats(ob_engine *engine, ob_stats *out);

#ifdef __cplusplus
}
#endif

#endif
