/* What a system under measurement fills in, and what it may call.
 *
 * The driver (the other files here) has all workloads, all timing, and all
 * work that runs on a system's loop, so that every system does the same and is
 * measured by the same code. A system only carries things to its loop and back.
 * Entries that a system lacks are NULL: the driver then exits with 3. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum bench_flags {
  /* Completions may run on several threads at once: count them by RMW. */
  BENCH_PARALLEL = 1u << 0,
  /* Its two sides spin: on one CPU they would only wait for the scheduler. */
  BENCH_TWO_CPUS = 1u << 1,
  /* Makes threads when it likes, so that they cannot be pinned. */
  BENCH_NO_PIN = 1u << 2,
  /* Made for one caller. */
  BENCH_ONE_CALLER = 1u << 3,
};

/* Runs when a submission has been handled, with bench_handle's answer. */
typedef void (*bench_done)(void *arg, int answer);

/* Runs on the loop thread. */
typedef void (*bench_task)(void *arg);

/* Bytes that come back from the loop. The caller runs release(blob), or free
 * (data) when that is NULL. */
typedef struct bench_blob {
  void *data;
  size_t size;
  void (*release)(struct bench_blob *blob);
  uint64_t store[10]; /* the system's own */
} bench_blob;

typedef struct bench_system {
  const char *name;
  unsigned flags; /* enum bench_flags */
  void *(*start)(void);
  void (*stop)(void *ctx);
  /* Runs bench_handle(x) on the loop, blocks for its answer, returns it. */
  int (*sync)(void *ctx, int x);
  /* Runs bench_count(count) on the loop; does not wait. */
  void (*post)(void *ctx, uint64_t *count);
  /* Runs bench_handle(x) on the loop, then done(arg, answer) where the system
   * delivers completions; does not wait. */
  void (*submit)(void *ctx, int x, bench_done done, void *arg);
  /* Runs bench_handle(x) where blocking work belongs; blocks for it. */
  int (*offload)(void *ctx, int x);
  /* Gets size bytes to the loop, runs bench_touch on them there, and gets them
   * back. handed: data is malloc'd and moves both ways; else the loop's bytes
   * are a copy, and the answer is a copy of these. */
  void (*payload)(void *ctx, void *data, size_t size, int handed,
                  bench_blob *answer);
  /* Runs fn(arg) on the loop and blocks until it has. */
  void (*on_loop)(void *ctx, bench_task fn, void *arg);
  /* Timers, on the loop thread: room for count of them; one armed to fire in
   * after_ms (none fires here); one cancelled; all closed. */
  void (*timer_open)(void *ctx, unsigned count);
  void (*timer_arm)(void *ctx, unsigned slot, unsigned after_ms);
  void (*timer_cancel)(void *ctx, unsigned slot);
  void (*timer_close)(void *ctx);
  /* The queue alone: any producer; one consumer, NULL when empty. */
  void (*push)(void *ctx, void *item);
  void *(*pop)(void *ctx);
  /* Starts tasks that call bench_step in a loop, from "loop" or "pool", and
   * returns when all have ended; 0 when it has no such place. */
  int (*await)(void *ctx, const char *from, int tasks);
  /* Begins count calls whose handlers have begun and not answered, and returns;
   * then answers all of them and lets them go. */
  void (*open_many)(void *ctx, unsigned count);
  void (*close_many)(void *ctx);
  /* A TCP echo server on the loop, at 127.0.0.1; its port. */
  int (*echo)(void *ctx);
} bench_system;

/* Defined once by each system's file. */
extern const bench_system bench_subject;

/* The work of one call, on the loop: x + 1, after handler_ns of computing. */
int bench_handle(int x);

/* The work of one post, on the loop. */
void bench_count(uint64_t *count);

/* The work on a payload, on the loop: adds one to its first int, if any. */
void bench_touch(void *data, size_t size);

/* One step of an awaiting task: takes the last answer (-1 at first), returns
 * the next x, or -1 when it is time to end. */
int bench_step(int task, int answer);

/* An option KEY=VALUE of the command line that only some systems know. */
const char *bench_option(const char *key, const char *fallback);

/* Ends the program with the cause on stderr. */
__attribute__((noreturn)) void bench_fail(const char *cause);

#ifdef __cplusplus
}
#endif

#endif
