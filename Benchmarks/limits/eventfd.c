/* The limit of a loop that waits in epoll, as every event loop does: an
 * edge-triggered eventfd to wake it (never read), a futex to wake the caller.
 * For one caller only. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

typedef struct pair {
  _Alignas(128) int request; /* x + 1 when asked, -1 to stop, 0 when free */
  _Alignas(128) int answer;
  int event, epoll;
  pthread_t thread;
} pair;

static void *serve(void *arg) {
  pair *p = arg;
  struct epoll_event event;
  int seen;
  for (;;) {
    if (epoll_wait(p->epoll, &event, 1, -1) != 1) continue;
    seen = __atomic_exchange_n(&p->request, 0, __ATOMIC_ACQUIRE);
    if (seen == -1) return NULL;
    if (seen == 0) continue;
    __atomic_store_n(&p->answer, bench_handle(seen - 1), __ATOMIC_RELEASE);
    syscall(SYS_futex, &p->answer, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  }
}

static void tell(pair *p, int value) {
  uint64_t one = 1;
  __atomic_store_n(&p->request, value, __ATOMIC_RELEASE);
  if (write(p->event, &one, sizeof one) != sizeof one)
    bench_fail("write to an eventfd failed");
}

static void *start(void) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLET};
  pair *p = aligned_alloc(128, sizeof *p);
  if (p == NULL) bench_fail("out of memory");
  *p = (pair){0};
  p->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  p->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->event, &event) != 0)
    bench_fail("epoll_ctl failed");
  pthread_create(&p->thread, NULL, serve, p);
  return p;
}

static void stop(void *ctx) {
  pair *p = ctx;
  tell(p, -1);
  pthread_join(p->thread, NULL);
  close(p->event);
  close(p->epoll);
  free(p);
}

static int sync_call(void *ctx, int x) {
  pair *p = ctx;
  int seen;
  tell(p, x + 1);
  while ((seen = __atomic_load_n(&p->answer, __ATOMIC_ACQUIRE)) == 0)
    syscall(SYS_futex, &p->answer, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  __atomic_store_n(&p->answer, 0, __ATOMIC_RELAXED);
  return seen;
}

const bench_system bench_subject = {
    .name = "limit-eventfd",
    .flags = BENCH_ONE_CALLER,
    .start = start,
    .stop = stop,
    .sync = sync_call,
};
