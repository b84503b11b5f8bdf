/* The machine's limit when both sides yield their CPU while they wait: one
 * cache line and sched_yield. On one CPU it is the fastest hand-over there is.
 * For one caller only. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "bench.h"

typedef struct line {
  _Alignas(128) int request; /* x + 1 when asked, -1 to stop, 0 when free */
  _Alignas(128) int answer;
  pthread_t thread;
} line;

static int await(int *word) {
  int seen;
  while ((seen = __atomic_load_n(word, __ATOMIC_ACQUIRE)) == 0) sched_yield();
  __atomic_store_n(word, 0, __ATOMIC_RELAXED);
  return seen;
}

static void *serve(void *arg) {
  line *l = arg;
  int seen;
  while ((seen = await(&l->request)) != -1)
    __atomic_store_n(&l->answer, bench_handle(seen - 1), __ATOMIC_RELEASE);
  return NULL;
}

static void *start(void) {
  line *l = aligned_alloc(128, sizeof *l);
  if (l == NULL) bench_fail("out of memory");
  *l = (line){0};
  pthread_create(&l->thread, NULL, serve, l);
  return l;
}

static void stop(void *ctx) {
  line *l = ctx;
  __atomic_store_n(&l->request, -1, __ATOMIC_RELEASE);
  pthread_join(l->thread, NULL);
  free(l);
}

static int sync_call(void *ctx, int x) {
  line *l = ctx;
  __atomic_store_n(&l->request, x + 1, __ATOMIC_RELEASE);
  return await(&l->answer);
}

const bench_system bench_subject = {
    .name = "limit-yield",
    .flags = BENCH_ONE_CALLER,
    .start = start,
    .stop = stop,
    .sync = sync_call,
};
