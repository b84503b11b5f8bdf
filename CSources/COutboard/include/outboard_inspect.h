/* Outboard: looking inside a running engine. Included by outboard.h.
 *
 * Times       how long calls wait and run, and how long the loop is away from
 *             timers and I/O, as log-linear histograms
 * Recorder    the last calls, each with its times, name and outcome
 * Watchdog    names what has held the loop for too long, while it does
 * Health      all of it and the statistics, as a struct and as JSON
 *
 * Everything is off at first, and may be switched at any time. Off, it costs a
 * branch on a word that is read anyway. On, calls are measured one by one while
 * they come slower than one in some microseconds, else one of several, each
 * then counted as so many: the cost stays bounded, and a rare call that ran
 * long in a flood of short ones may be missed by the times, never by the loop's
 * lag or the watchdog.
 *
 * Measured are calls, submissions, posts, offloaded work. Not measured: calls
 * made inline on the loop thread (a part of who makes them), libuv callbacks,
 * and the steps of Swift tasks; they count for the lag and the watchdog. */
#ifndef OUTBOARD_INSPECT_H
#define OUTBOARD_INSPECT_H

#include "outboard_engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Switching ------------------------------------------------------------ */

enum ob_inspect_flags {
  OB_INSPECT_TIMES = 1u << 0,  /* histograms */
  OB_INSPECT_RECORD = 1u << 1, /* the recorder */
  OB_INSPECT_WATCH = 1u << 2,  /* the watchdog */
};

#define OB_STALL_FRAMES 32

/* Something that holds the loop, or did. */
typedef struct ob_stall {
  size_t size;      /* sizeof(ob_stall) */
  char engine[16];  /* its engine's name */
  char name[64];    /* of the call or Swift call site; "" if it has none */
  char symbol[128]; /* its function: symbol or object file, and offset; or "" */
  char pending[64]; /* if it has no name: that of an unanswered call, or "" */
  uint64_t handler; /* its function's address; 0 if not known */
  uint64_t held_ns; /* so long when it was found, at least */
  uint64_t number;  /* 1 for the engine's first */
  uint32_t frame_count; /* 0 without stack_signal, or not to be had */
  uint32_t reserved;
  uint64_t frames[OB_STALL_FRAMES]; /* return addresses, innermost first */
} ob_stall;

#define OB_STALL_INIT {sizeof(ob_stall), "", "", "", "", 0, 0, 0, 0, 0, {0}}

/* Runs on the watchdog's thread, once for each stall, when it is found. *stall
 * is valid during the call. Must return soon: others are not watched meanwhile,
 * and freeing the engine waits for it, for a second. */
typedef void (*ob_stall_hook)(const ob_stall *stall, void *user);

typedef struct ob_inspect_opts {
  size_t size;            /* sizeof(ob_inspect_opts) */
  uint32_t flags;         /* enum ob_inspect_flags; 0: off */
  uint32_t every;         /* measure one call of so many; 0: what is cheap */
  uint32_t record_last;   /* calls that the recorder keeps, 1 to 65536 */
  int32_t stack_signal;   /* for the stack of a stall, see below; 0: none */
  uint64_t stall_ns;      /* the loop may be held so long, 1 ms to 1 h */
  ob_stall_hook on_stall; /* or NULL */
  void *stall_user;       /* for on_stall */
  /* Once after a success, when on_stall will not run any more; any thread, may
   * not call the engine; or NULL. */
  void (*stall_destroy)(void *stall_user);
} ob_inspect_opts;

#define OB_INSPECT_OPTS_INIT                                \
  {sizeof(ob_inspect_opts),                                 \
   OB_INSPECT_TIMES | OB_INSPECT_RECORD | OB_INSPECT_WATCH, \
   0,                                                       \
   1024u,                                                   \
   0,                                                       \
   UINT64_C(100000000),                                     \
   NULL,                                                    \
   NULL,                                                    \
   NULL}

/* Switches what is inspected; opts is not kept, NULL switches all off. What has
 * been measured stays. ob_engine_opts.inspect does the same at the start.
 *
 * The watchdog is one thread for all engines of the process, started when the
 * first is to be watched and ended with the last; it sleeps while their loops
 * do. Blocked in a host's own libuv callback right after a sleep, a loop is not
 * seen.
 *
 * stack_signal: nothing else can tell where another thread is. It must be
 * SIGUSR1, SIGUSR2 or a real-time signal that the host uses for nothing else.
 * When a stall is found the watchdog takes the signal's disposition, sends it
 * to the loop thread, which has it unblocked, and gives the disposition back. A
 * system call of the stalled handler may so be interrupted once (EINTR).
 * Without it no disposition is ever touched.
 *
 * A name that is not static must stay valid until its handler has returned and
 * answered.
 *
 * OB_EINVAL  engine is NULL or an option is out of range (detail names it)
 * OB_EBUSY   the recorder has another size already, or the signal a handler
 * OB_ENOMEM, OB_ESYSTEM (no thread), OB_ESHUTDOWN, OB_EFORKED, OB_EBROKEN; then
 *            nothing has changed
 *
 * Any thread. */
OB_API int ob_inspect(ob_engine *engine, const ob_inspect_opts *opts);

/* Forgets what was measured and recorded. OB_EINVAL, OB_EFORKED. Any thread. */
OB_API int ob_inspect_reset(ob_engine *engine);

/* --- Looking -------------------------------------------------------------- */

/* A histogram in short. Each value is at most 1/64 above a true one, max is
 * exact; all 0 while count is. */
typedef struct ob_times {
  uint64_t count; /* values; a measured call counts for those it stands for */
  uint64_t mean_ns, p50_ns, p99_ns, p999_ns, max_ns;
} ob_times;

enum ob_health_state {
  OB_HEALTH_RUNNING = 0,
  OB_HEALTH_STALLED = 1, /* running, and held for longer than stall_ns */
  OB_HEALTH_STOPPING = 2,
  OB_HEALTH_STOPPED = 3,
  OB_HEALTH_BROKEN = 4, /* OB_EBROKEN */
};

typedef struct ob_health {
  size_t size;         /* sizeof(ob_health), set by the caller */
  uint32_t state;      /* enum ob_health_state */
  uint32_t flags;      /* enum ob_inspect_flags: what is on */
  char name[16];       /* the engine's */
  uint64_t uptime_ns;  /* until now, or its end */
  uint64_t stalls;     /* found by the watchdog */
  uint64_t stalled_ns; /* the loop is held now, for so long at least; or 0 */
  ob_times lag;        /* from one look at timers and I/O to the next */
  ob_times wait;       /* from being handed in to the start, or the end if it
                          never started */
  ob_times run;        /* the handler */
  ob_stats stats;
} ob_health;

#define OB_HEALTH_INIT \
  {sizeof(ob_health),  \
   0,                  \
   0,                  \
   "",                 \
   0,                  \
   0,                  \
   0,                  \
   {0, 0, 0, 0, 0, 0}, \
   {0, 0, 0, 0, 0, 0}, \
   {0, 0, 0, 0, 0, 0}, \
   OB_STATS_INIT}

/* Takes a snapshot. OB_EINVAL when a pointer is NULL or size is not set;
 * OB_EFORKED. Any thread, never waits for the loop. */
OB_API int ob_engine_health(ob_engine *engine, ob_health *out);

/* The same as one JSON object, as snprintf does it: writes at most size bytes
 * with the final NUL, and returns the length of the whole without it, or an
 * error as above. buffer may be NULL if size is 0. Any thread. */
OB_API int ob_engine_health_json(ob_engine *engine, char *buffer, size_t size);

/* The last stall, also one that goes on. OB_EAGAIN when there was none;
 * OB_EINVAL, OB_EFORKED. Any thread. */
OB_API int ob_inspect_stall(ob_engine *engine, ob_stall *out);

/* A call as the recorder keeps it. Times on CLOCK_MONOTONIC, ns. */
typedef struct ob_call_record {
  uint64_t number;   /* 1 for the engine's first */
  uint64_t enqueued; /* handed in */
  uint64_t started;  /* its handler; 0: it never ran */
  uint64_t returned; /* its handler; 0: never ran, or had not when it ended */
  uint64_t ended;    /* its outcome was known */
  uint64_t handler;  /* its function's address */
  uint32_t weight;   /* calls it stands for */
  int32_t status;    /* its outcome */
  uint32_t thread;   /* the system's number of the one that ran it, or 0 */
  uint32_t reserved;
  char name[32]; /* cut to fit; "" if it has none */
} ob_call_record;

/* Copies the last recorded calls, at most capacity, the oldest first, and sets
 * *count. A call may be there a moment after its caller has the answer. Those
 * being written at the moment are left out. OB_EINVAL when a
 * pointer is NULL; OB_EFORKED. Any thread, never waits for the loop. */
OB_API int ob_inspect_calls(ob_engine *engine, ob_call_record *out,
                            size_t capacity, size_t *count);

/* The recorder as trace JSON, which Perfetto and Chrome's tracing page open:
 * a slice for each handler, and an asynchronous one from being handed in to the
 * outcome. Returns as ob_engine_health_json; the next call may need another
 * length, since calls go on. */
OB_API int ob_inspect_trace_json(ob_engine *engine, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
