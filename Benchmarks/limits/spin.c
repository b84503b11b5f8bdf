/* The machine's limit with spinning: one cache line between two threads. For
 * one caller only. */
#include <pthread.h>
#include <stdlib.h>

#include "bench.h"

static inline void pause_cpu(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

typedef struct line {
  _Alignas(128) int request; /* x + 1 when asked, 0 when free */
  _Alignas(128) int answer;
  int stopping;
  pthread_t thread;
} line;

static void *serve(void *arg) {
  line *l = arg;
  int seen;
  while (!__atomic_load_n(&l->stopping, __ATOMIC_RELAXED)) {
    seen = __atomic_load_n(&l->request, __ATOMIC_ACQUIRE);
    if (seen == 0) {
      pause_cpu();
      continue;
    }
    __atomic_store_n(&l->request, 0, __ATOMIC_RELAXED);
    seen = bench_handle(seen - 1);
    __atomic_store_n(&l->answer, seen, __ATOMIC_RELEASE);
  }
  return NULL;
}

static void *start(void) {
  line *l = aligned_alloc(128, sizeof *l);
  if (l == NULL) abort();
  *l = (line){0};
  pthread_create(&l->thread, NULL, serve, l);
  return l;
}

static void stop(void *ctx) {
  line *l = ctx;
  __atomic_store_n(&l->stopping, 1, __ATOMIC_RELAXED);
  pthread_join(l->thread, NULL);
  free(l);
}

static int sync_call(void *ctx, int x) {
  line *l = ctx;
  int answer;
  __atomic_store_n(&l->request, x + 1, __ATOMIC_RELEASE);
  while ((answer = __atomic_load_n(&l->answer, __ATOMIC_ACQUIRE)) == 0)
    pause_cpu();
  __atomic_store_n(&l->answer, 0, __ATOMIC_RELAXED);
  return answer;
}

const bench_system bench_subject = {
    .name = "limit-spin",
    .flags = BENCH_ONE_CALLER | BENCH_TWO_CPUS,
    .start = start,
    .stop = stop,
    .sync = sync_call,
};
