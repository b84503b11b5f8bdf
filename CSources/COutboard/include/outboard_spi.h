/* Outboard: what the Swift layer needs beyond the public contract.
 *
 * Not installed, not stable, not for users. */
#ifndef OUTBOARD_SPI_H
#define OUTBOARD_SPI_H

#include "outboard.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Queues a Swift job's node. Exempt from the queue limit and from the gate,
 * for an executor cannot refuse a job; the loop runs it even while it stops,
 * and the status it passes is to be ignored. OB_ESHUTDOWN once the loop thread
 * has closed its queue (the caller then runs it elsewhere), OB_EFORKED in a
 * fork child. Any thread, no allocation. */
OB_API int ob_spi_push(ob_engine *engine, ob_node *node);

/* Waits for a submitted call as a blocked caller does before it parks, for some
 * microseconds at most: above 0 when it has ended; 2, now and then, when it is
 * also time to let others have the thread. Not on its loop thread. */
OB_API int ob_spi_spin(ob_ticket *ticket);

/* A synchronous body that a task awaits, in the caller's memory: body runs on
 * the loop, unless cancelled before. resume, at most once, on the loop thread:
 * tells an awaiter that has stopped watching. release, last: the loop is
 * through with the hop. */
typedef struct ob_hop {
  ob_node node;   /* private, as what follows */
  uint32_t state; /* atomic */
  int32_t status; /* loop, before the end */
  ob_engine *engine;
  struct ob__lane *lane;
  int32_t caller_cpu;
  uint32_t weight; /* of a measured hop, or 0 */
  uint64_t enqueued;
  const char *name; /* for stop's report, or NULL; as what follows, set first */
  void *owner;
  void (*body)(struct ob_hop *hop);
  void (*resume)(struct ob_hop *hop);
  void (*release)(struct ob_hop *hop);
} ob_hop;

/* Before first use; the memory is zeroed. */
OB_API void ob_spi_hop_init(ob_hop *hop);
/* OB_OK, then watch it; or refused, with nothing to come (OB_EAGAIN: no room;
 * may be submitted again). OB_ECANCELED after a cancel. Any thread but the
 * loop's. */
OB_API int ob_spi_hop_submit(ob_engine *engine, ob_hop *hop);
/* Once after a submission that was accepted: waits as ob_spi_spin does. 0:
 * resume will be called; 1: it has ended; 2: as there. */
OB_API int ob_spi_hop_watch(ob_engine *engine, ob_hop *hop);
/* Any thread, at any time before the release. 1: ended by this, the caller
 * resumes the awaiter. */
OB_API int ob_spi_hop_cancel(ob_hop *hop);
/* Whether a body that runs should end. */
OB_API int ob_spi_hop_cancelled(const ob_hop *hop);
/* How it ended: OB_OK, OB_ECANCELED, OB_ESHUTDOWN. */
OB_API int ob_spi_hop_status(const ob_hop *hop);

/* A word for the Swift layer. Set before the engine is shared with another
 * thread. current: that of the engine whose loop thread this is, or NULL. */
OB_API void ob_spi_set_context(ob_engine *engine, void *context);
OB_API void *ob_spi_current_context(void);

/* A one-shot timer of the loop's wheel, in the caller's memory; zero it before
 * first use. fire gets 0 when due, or OB_ESHUTDOWN when the loop closes first
 * (due_ns then still says when it was due, on CLOCK_MONOTONIC). The timer is
 * idle when fire is called and may be freed there. */
typedef struct ob_timer {
  struct ob_timer *prev, *next; /* loop thread */
  uint64_t due_ns;              /* CLOCK_MONOTONIC */
  uint64_t tick;                /* private */
  void (*fire)(struct ob_timer *timer, int status);
  uint32_t slot; /* private; 0: idle */
  uint32_t reserved;
} ob_timer;

/* Arms an idle timer, or arms it anew. Never fires early; late by up to 1 ms
 * plus what the loop is busy with. Loop thread only. O(1), cannot fail. */
OB_API void ob_spi_timer_start(ob_engine *engine, ob_timer *timer,
                               uint64_t after_ns);

/* Disarms: 1 if it was armed, else 0. Loop thread only. O(1). */
OB_API int ob_spi_timer_stop(ob_engine *engine, ob_timer *timer);

/* CLOCK_MONOTONIC in ns. */
OB_API uint64_t ob_spi_now(void);

/* Starts a detached thread with a guest's signal mask; name (static) has at
 * most 15 bytes. OB_ENOMEM, OB_ESYSTEM: fn will not run. Any thread. */
OB_API int ob_spi_thread_start(const char *name, void (*fn)(void *), void *arg);

/* A mutex and a condition on the monotonic clock. new: NULL without memory.
 * wait is called with the mutex held, returns with it held, after a signal,
 * after ns nanoseconds (OB_FOREVER: never), or for no reason. */
typedef struct ob_monitor ob_monitor;
OB_API ob_monitor *ob_spi_monitor_new(void);
OB_API void ob_spi_monitor_free(ob_monitor *monitor);
OB_API void ob_spi_monitor_lock(ob_monitor *monitor);
OB_API void ob_spi_monitor_unlock(ob_monitor *monitor);
OB_API void ob_spi_monitor_signal(ob_monitor *monitor);
OB_API void ob_spi_monitor_wait(ob_monitor *monitor, uint64_t ns);

/* Calls a Swift closure synchronously on the loop: its function and context
 * words, passed as a non-escaping closure of type () -> Void is passed. Inline
 * on the loop thread. Same statuses as ob_call without deadline; no
 * allocation. In Swift:
 *   @_silgen_name("ob_spi_call_closure")
 *   func callClosure(_ e: OpaquePointer, _ body: () -> Void) -> Int32 */
#if defined(__clang__) && defined(__has_attribute)
#if __has_attribute(swiftcall)
#define OB_HAVE_SWIFTCALL 1
typedef void (*ob_spi_body)(__attribute__((swift_context)) void *context)
    __attribute__((swiftcall));
OB_API __attribute__((swiftcall)) int ob_spi_call_closure(ob_engine *engine,
                                                          ob_spi_body body,
                                                          void *context);
#endif
#endif

#ifdef __cplusplus
}
#endif

#endif
