/* The machine's limit without spinning: two futexes between two threads. For
 * one caller only. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

typedef struct pair {
  _Alignas(128) int request; /* x + 1 when asked, -1 to stop, 0 when free */
  _Alignas(128) int answer;
  pthread_t thread;
} pair;

static int await(int *word) {
  int seen;
  while ((seen = __atomic_load_n(word, __ATOMIC_ACQUIRE)) == 0)
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  __atomic_store_n(word, 0, __ATOMIC_RELAXED);
  return seen;
}

static void tell(int *word, int value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *serve(void *arg) {
  pair *p = arg;
  int seen;
  while ((seen = await(&p->request)) != -1)
    tell(&p->answer, bench_handle(seen - 1));
  return NULL;
}

static void *start(void) {
  pair *p = aligned_alloc(128, sizeof *p);
  if (p == NULL) abort();
  *p = (pair){0};
  pthread_create(&p->thread, NULL, serve, p);
  return p;
}

static void stop(void *ctx) {
  pair *p = ctx;
  tell(&p->request, -1);
  pthread_join(p->thread, NULL);
  free(p);
}

static int sync_call(void *ctx, int x) {
  pair *p = ctx;
  tell(&p->request, x + 1);
  return await(&p->answer);
}

const bench_system bench_subject = {
    .name = "limit-futex",
    .flags = BENCH_ONE_CALLER,
    .start = start,
    .stop = stop,
    .sync = sync_call,
};
