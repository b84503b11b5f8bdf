/* Looking inside: what is kept of a call that is measured, histograms, the
 * recorder, and an engine's part of the watchdog.
 *
 * Whether a call is measured is decided where it is handed in: the word
 * engine->inspect, which every submitter has in its cache anyway, is 0 when all
 * is off. Each lane counts down to the next call to measure (look.c); that
 * takes the time with it, and whoever runs it looks for that. So an unmeasured
 * call costs its producer a count and the loop nothing.
 *
 * Measuring every call was tried: two looks at the clock cost a sixth of the
 * rate of synchronous calls, and two thirds of that of posts. */
#ifndef OB_INSPECT_H
#define OB_INSPECT_H

#include "atomic.h"
#include "outboard.h"

struct ob__lane;

/* Bits of engine->inspect: enum ob_inspect_flags; a floor of the exponent; an
 * epoch. */
#define OB__LOOK (OB_INSPECT_TIMES | OB_INSPECT_RECORD)
#define OB__INSPECT_FLAGS 0xffu
#define OB__EVERY_SHIFT 8
#define OB__EPOCH_SHIFT 16

#define OB__COLD __attribute__((noinline, cold))

/* A call that is measured. weight 0: it is not, and the rest is not set. */
typedef struct ob__look {
  uint64_t enqueued; /* producer */
  uint64_t started;  /* who runs it; relaxed, for it may end meanwhile; or 0 */
  uint64_t returned; /* the same, when its handler has; 0: not known */
  uint32_t weight;   /* producer: calls that it stands for */
  uint32_t thread;   /* who runs it; relaxed */
} ob__look;

/* --- Histograms (histogram.c) ----------------------------------------------
 */

/* After HdrHistogram: an octave is cut into equal parts, so that the relative
 * error is bounded. Below OB__PARTS each value has its own bucket. */
#define OB__PART_BITS 6
#define OB__PARTS (1u << OB__PART_BITS)
#define OB__TOP_BIT 42 /* 73 minutes; what is longer counts as that */
#define OB__BUCKETS ((OB__TOP_BIT - OB__PART_BITS + 1) * OB__PARTS)

/* Any thread adds, any thread reads, all relaxed. */
typedef struct ob__histogram {
  uint64_t max, sum;
  uint64_t buckets[OB__BUCKETS];
} ob__histogram;

uint32_t ob__histogram_index(uint64_t value);
/* The highest value that falls there. */
uint64_t ob__histogram_top(uint32_t index);
void ob__histogram_add(ob__histogram *histogram, uint64_t value,
                       uint64_t weight);
void ob__histogram_read(const ob__histogram *histogram, ob_times *out);
void ob__histogram_reset(ob__histogram *histogram);

/* --- The recorder (recorder.c) ---------------------------------------------
 */

#define OB__RECORD_WORDS (sizeof(ob_call_record) / sizeof(uint64_t))
_Static_assert(sizeof(ob_call_record) % sizeof(uint64_t) == 0, "whole words");

/* A sequence lock: odd while somebody writes. */
typedef struct ob__slot {
  uint64_t sequence;
  uint64_t words[OB__RECORD_WORDS];
} ob__slot;

typedef struct ob__recorder {
  uint64_t next;     /* records begun; any thread */
  uint64_t first;    /* those before were forgotten; any thread, relaxed */
  uint32_t capacity; /* never changes */
  ob__slot slots[];
} ob__recorder;

ob__recorder *ob__recorder_new(uint32_t capacity);
/* Its number is set here. Any thread. */
void ob__recorder_add(ob__recorder *recorder, ob_call_record *record);
size_t ob__recorder_read(const ob__recorder *recorder, ob_call_record *out,
                         size_t capacity);

/* --- The watchdog's part (watch.c) ------------------------------------------
 */

#define OB__AWAKE 1u
#define OB__WATCHING 2u

typedef struct ob__watched {
  /* Read-modify-writes only: AWAKE is the loop's, WATCHING the watchdog's, who
   * clears it when the loop sleeps. A loop that wakes without it wakes the
   * watchdog, so neither disturbs a sleep of the other. */
  uint32_t word;
  uint32_t beat; /* loop: counts what begins and ends; relaxed */

  /* The watchdog's lock. */
  struct ob__watched *next; /* list */
  ob_engine *engine;
  int tid; /* of the loop thread */
  uint64_t stall_ns;
  struct ob__hook *hook; /* the user's, or NULL */
  int stack_signal;
  int listed;
  int calling;     /* the watchdog uses it without the lock */
  int reported;    /* the stall that goes on has been */
  uint32_t seen;   /* beat at the last look */
  uint64_t looked; /* when that was */
  uint64_t since;  /* when this beat was first seen; 0: not yet */
  uint64_t stalls;
  uint64_t held; /* since when, while reported */
  ob_stall last;
} ob__watched;

/* --- All of it -------------------------------------------------------------
 */

/* Made when an engine is first inspected; freed with it, or by a watchdog that
 * still uses it. */
typedef struct ob__insight {
  ob__histogram lag, wait, run;
  ob__recorder *recorder; /* set once, release */
  ob_inspect_opts opts;   /* life_mutex: as set last */
  uint32_t every;         /* opts.every, relaxed */

  /* Loop: how often it measures, and when it slept. */
  uint32_t looks;  /* since window */
  uint64_t window; /* ns */
  uint64_t latest; /* the last look, ns */
  uint32_t epochs; /* to be told of, when it sleeps */
  uint64_t slept;  /* when it went to sleep, ns; 0: not known */
  uint64_t idle;   /* time asleep until then, ns */

  /* Loop: the signal that its thread has unblocked, or 0. */
  int unblocked;
  ob_node mask_node;
  uint32_t mask_busy; /* 1 while that is queued; any thread */
  int stack_signal;   /* what is to be unblocked; relaxed */

  ob__watched watched;
  uint32_t refs; /* atomic: the engine, and the watchdog while it uses it */
} ob__insight;

/* inspect.c */
int ob__inspect_check(const ob_inspect_opts *opts);
/* Checked before. */
int ob__inspect_set(ob_engine *engine, const ob_inspect_opts *opts);
/* The loop has ended. */
void ob__inspect_end(ob_engine *engine);
/* Before that: from here on a loop that waits for the pool is no stall. */
void ob__inspect_unwatch(ob_engine *engine);
void ob__inspect_free(ob_engine *engine);
/* In a fork child, with what the parent's engine had. */
void ob__inspect_restart(ob_engine *engine, ob__insight *insight);
void ob__insight_release(ob__insight *insight);

/* look.c */
/* Whether the next call of this lane is measured: for how many it stands, and
 * since when in lane->look_time. */
uint32_t ob__look_count(ob_engine *engine, struct ob__lane *lane);
/* The handler begins, and returns. Loop thread, or a pool thread. */
void ob__look_begin(ob_engine *engine, ob__look *look);
void ob__look_return(ob_engine *engine, ob__look *look);
/* The outcome is known: when the handler returned, or now if ended is 0. */
void ob__look_end(ob_engine *engine, const ob__look *look, uint64_t ended,
                  const ob_call_record *who);
/* What it needs of a call; the rest is 0. */
ob_call_record ob__who(const char *name, uintptr_t handler, int status);
/* For the loop's lag and the watchdog. Loop thread: after a look at I/O that
 * did not wait, before a sleep and after it. */
void ob__inspect_poll(ob_engine *engine, uint64_t now);
void ob__inspect_sleep(ob_engine *engine);
/* looked: the loop's last look before the sleep; napped: how much of the sleep
 * was not in epoll_wait, ns. */
void ob__inspect_wake(ob_engine *engine, uint64_t looked, uint64_t napped);

/* watch.c */
int ob__watch_set(ob_engine *engine, ob__insight *insight);
/* Takes it off the list; await: until no hook of it runs, if that is soon. */
void ob__watch_clear(ob__insight *insight);
void ob__watch_await(ob__insight *insight);
void ob__watch_in_child(void);
/* Loop thread. */
void ob__watch_awake(ob__insight *insight);
void ob__watch_asleep(ob__insight *insight);
/* Count, start of the present one (or 0), and the last. */
void ob__watch_read(ob__insight *insight, uint64_t *stalls, uint64_t *held,
                    ob_stall *last);

/* stack.c */
int ob__stack_check(int signal);
uint32_t ob__stack_capture(int signal, int tid, uint64_t *frames,
                           uint32_t capacity);

#endif
