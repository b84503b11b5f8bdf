/* The bridge that one writes first: a mutex around a list, uv_async_send to
 * wake the loop, a mutex and a condition variable for each waiting caller. */
#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

#include "bench.h"

typedef struct item {
  struct item *next;
  uint64_t *count; /* a post */
  int x, done;     /* a call */
  pthread_mutex_t mutex;
  pthread_cond_t cond;
} item;

typedef struct bridge {
  uv_loop_t loop;
  uv_async_t async;
  pthread_t thread;
  pthread_mutex_t mutex;
  item *first, **last;
  int stopping;
} bridge;

static void run(item *work) {
  if (work->count != NULL) {
    __atomic_store_n(work->count, *work->count + 1, __ATOMIC_RELEASE);
    free(work);
    return;
  }
  pthread_mutex_lock(&work->mutex);
  work->x++;
  work->done = 1;
  pthread_cond_signal(&work->cond);
  pthread_mutex_unlock(&work->mutex);
}

static void on_async(uv_async_t *async) {
  bridge *b = async->data;
  item *work, *next;
  int stopping;
  pthread_mutex_lock(&b->mutex);
  work = b->first;
  b->first = NULL;
  b->last = &b->first;
  stopping = b->stopping;
  pthread_mutex_unlock(&b->mutex);
  for (; work != NULL; work = next) {
    next = work->next;
    run(work);
  }
  if (stopping) uv_close((uv_handle_t *)async, NULL);
}

static void *loop_thread(void *arg) {
  bridge *b = arg;
  uv_run(&b->loop, UV_RUN_DEFAULT);
  return NULL;
}

static void *start(void) {
  bridge *b = calloc(1, sizeof *b);
  if (b == NULL) abort();
  b->last = &b->first;
  pthread_mutex_init(&b->mutex, NULL);
  uv_loop_init(&b->loop);
  b->async.data = b;
  uv_async_init(&b->loop, &b->async, on_async);
  pthread_create(&b->thread, NULL, loop_thread, b);
  return b;
}

static void stop(void *ctx) {
  bridge *b = ctx;
  pthread_mutex_lock(&b->mutex);
  b->stopping = 1;
  pthread_mutex_unlock(&b->mutex);
  uv_async_send(&b->async);
  pthread_join(b->thread, NULL);
  uv_loop_close(&b->loop);
  free(b);
}

static void push(bridge *b, item *work) {
  work->next = NULL;
  pthread_mutex_lock(&b->mutex);
  *b->last = work;
  b->last = &work->next;
  pthread_mutex_unlock(&b->mutex);
  uv_async_send(&b->async);
}

static int sync_call(void *ctx, int x) {
  item work = {.x = x};
  pthread_mutex_init(&work.mutex, NULL);
  pthread_cond_init(&work.cond, NULL);
  push(ctx, &work);
  pthread_mutex_lock(&work.mutex);
  while (!work.done) pthread_cond_wait(&work.cond, &work.mutex);
  pthread_mutex_unlock(&work.mutex);
  pthread_cond_destroy(&work.cond);
  pthread_mutex_destroy(&work.mutex);
  return work.x;
}

static void post(void *ctx, uint64_t *count) {
  item *work = malloc(sizeof *work);
  if (work == NULL) abort();
  work->count = count;
  push(ctx, work);
}

const bench_system bench_subject = {"naive-libuv", start, stop, sync_call,
                                    post};
