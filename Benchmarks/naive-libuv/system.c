/* The bridge that one writes first: a mutex around a list, uv_async_send to
 * wake the loop, a mutex and a condition variable for each waiting caller.
 *
 * Fair, because it is what most C code on libuv has: one allocation per item
 * that outlives its caller, none for a blocked one; the loop takes the whole
 * list at once; uv_async_send coalesces wake-ups. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "bench.h"
#include "uv_echo.h"

typedef struct item {
  struct item *next;
  void (*run)(struct item *);
} item;

typedef struct bridge {
  uv_loop_t loop;
  uv_async_t async;
  pthread_t thread;
  pthread_mutex_t mutex; /* protects the next four */
  item *first, **last;
  int stopping;
  uv_timer_t *timers; /* loop thread */
  unsigned timer_count;
} bridge;

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
    work->run(work);
  }
  if (!stopping) return;
  uv_echo_close(&b->loop);
  uv_close((uv_handle_t *)async, NULL);
}

static void *loop_thread(void *arg) {
  bridge *b = arg;
  uv_run(&b->loop, UV_RUN_DEFAULT);
  return NULL;
}

static void *start(void) {
  bridge *b = calloc(1, sizeof *b);
  if (b == NULL) bench_fail("out of memory");
  b->last = &b->first;
  pthread_mutex_init(&b->mutex, NULL);
  if (uv_loop_init(&b->loop) != 0) bench_fail("uv_loop_init failed");
  b->async.data = b;
  uv_async_init(&b->loop, &b->async, on_async);
  if (pthread_create(&b->thread, NULL, loop_thread, b) != 0)
    bench_fail("cannot start the loop's thread");
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
  free(b->timers);
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

static void *new_item(size_t size, void (*run)(item *)) {
  item *work = malloc(size);
  if (work == NULL) bench_fail("out of memory");
  work->run = run;
  return work;
}

/* --- Blocking calls ----------------------------------------------------------
 */

typedef struct call {
  item item; /* first */
  bench_task fn;
  void *arg;
  int done; /* under the mutex */
  pthread_mutex_t mutex;
  pthread_cond_t cond;
} call;

static void call_done(call *c) {
  pthread_mutex_lock(&c->mutex);
  c->done = 1;
  pthread_cond_signal(&c->cond);
  pthread_mutex_unlock(&c->mutex);
}

static void call_run(item *work) {
  call *c = (call *)work;
  c->fn(c->arg);
  call_done(c);
}

static void call_wait(bridge *b, call *c) {
  pthread_mutex_init(&c->mutex, NULL);
  pthread_cond_init(&c->cond, NULL);
  push(b, &c->item);
  pthread_mutex_lock(&c->mutex);
  while (!c->done) pthread_cond_wait(&c->cond, &c->mutex);
  pthread_mutex_unlock(&c->mutex);
  pthread_cond_destroy(&c->cond);
  pthread_mutex_destroy(&c->mutex);
}

static void on_loop(void *ctx, bench_task fn, void *arg) {
  call c = {.item.run = call_run, .fn = fn, .arg = arg};
  call_wait(ctx, &c);
}

static void handle(void *arg) {
  *(int *)arg = bench_handle(*(int *)arg);
}

static int sync_call(void *ctx, int x) {
  on_loop(ctx, handle, &x);
  return x;
}

typedef struct offloaded {
  call call; /* first */
  bridge *bridge;
  uv_work_t work;
  int x;
} offloaded;

static void on_work(uv_work_t *work) {
  offloaded *o = work->data;
  o->x = bench_handle(o->x);
}

static void on_after(uv_work_t *work, int status) {
  offloaded *o = work->data;
  if (status != 0) bench_fail("uv_queue_work failed");
  call_done(&o->call);
}

static void offload_run(item *work) {
  offloaded *o = (offloaded *)work;
  uv_queue_work(&o->bridge->loop, &o->work, on_work, on_after);
}

static int offload(void *ctx, int x) {
  offloaded o = {.call.item.run = offload_run, .bridge = ctx, .x = x};
  o.work.data = &o;
  call_wait(ctx, &o.call);
  return o.x;
}

typedef struct bytes {
  void *data, *answer;
  size_t size;
} bytes;

static void *copy_of(const void *data, size_t size) {
  void *copy = malloc(size + 1);
  if (copy == NULL) bench_fail("out of memory");
  return memcpy(copy, data, size);
}

static void payload_copy(void *arg) {
  bytes *b = arg;
  bench_touch(b->data, b->size);
  b->answer = copy_of(b->data, b->size);
}

static void payload_hand(void *arg) {
  bytes *b = arg;
  bench_touch(b->data, b->size);
  b->answer = b->data;
}

static void payload(void *ctx, void *data, size_t size, int handed,
                    bench_blob *answer) {
  bytes b = {handed ? data : copy_of(data, size), NULL, size};
  on_loop(ctx, handed ? payload_hand : payload_copy, &b);
  if (!handed) free(b.data);
  answer->data = b.answer;
  answer->size = size;
}

/* --- Posts and submissions ---------------------------------------------------
 */

typedef struct posted {
  item item; /* first */
  uint64_t *count;
} posted;

static void posted_run(item *work) {
  bench_count(((posted *)work)->count);
  free(work);
}

static void post(void *ctx, uint64_t *count) {
  posted *p = new_item(sizeof *p, posted_run);
  p->count = count;
  push(ctx, &p->item);
}

typedef struct submission {
  item item; /* first */
  int x;
  bench_done done;
  void *arg;
} submission;

static void submission_run(item *work) {
  submission *s = (submission *)work;
  s->done(s->arg, bench_handle(s->x));
  free(s);
}

static void submit(void *ctx, int x, bench_done done, void *arg) {
  submission *s = new_item(sizeof *s, submission_run);
  s->x = x;
  s->done = done;
  s->arg = arg;
  push(ctx, &s->item);
}

/* --- Timers and I/O
 * ----------------------------------------------------------- */

static void timer_open(void *ctx, unsigned count) {
  bridge *b = ctx;
  unsigned i;
  b->timers = calloc(count, sizeof *b->timers);
  if (b->timers == NULL) bench_fail("out of memory");
  b->timer_count = count;
  for (i = 0; i < count; i++) uv_timer_init(&b->loop, &b->timers[i]);
}

static void on_timer(uv_timer_t *timer) {
  (void)timer;
}

static void timer_arm(void *ctx, unsigned slot, unsigned ms) {
  bridge *b = ctx;
  uv_timer_start(&b->timers[slot], on_timer, ms, 0);
}

static void timer_cancel(void *ctx, unsigned slot) {
  bridge *b = ctx;
  uv_timer_stop(&b->timers[slot]);
}

static void timer_close(void *ctx) {
  bridge *b = ctx;
  unsigned i;
  for (i = 0; i < b->timer_count; i++)
    uv_close((uv_handle_t *)&b->timers[i], NULL);
}

typedef struct listening {
  bridge *bridge;
  int port;
} listening;

static void listen_on_loop(void *arg) {
  listening *l = arg;
  l->port = uv_echo_listen(&l->bridge->loop);
}

static int echo(void *ctx) {
  listening l = {ctx, 0};
  on_loop(ctx, listen_on_loop, &l);
  return l.port;
}

const bench_system bench_subject = {
    .name = "naive-libuv",
    .start = start,
    .stop = stop,
    .sync = sync_call,
    .post = post,
    .submit = submit,
    .offload = offload,
    .payload = payload,
    .on_loop = on_loop,
    .timer_open = timer_open,
    .timer_arm = timer_arm,
    .timer_cancel = timer_cancel,
    .timer_close = timer_close,
    .echo = echo,
};
