/* GLib: g_main_context_invoke into a GMainLoop on a thread of its own, and a
 * mutex and a condition for a caller that waits.
 *
 * Fair, because it is the documented way into another thread's context and what
 * every GTK or GStreamer application does. */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

typedef struct subject {
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  GThreadPool *pool;
  GSource **timers; /* loop thread */
} subject;

static gpointer loop_thread(gpointer arg) {
  subject *s = arg;
  g_main_context_push_thread_default(s->context);
  g_main_loop_run(s->loop);
  g_main_context_pop_thread_default(s->context);
  return NULL;
}

static void *start(void) {
  subject *s = g_new0(subject, 1);
  s->context = g_main_context_new();
  s->loop = g_main_loop_new(s->context, FALSE);
  s->thread = g_thread_new("loop", loop_thread, s);
  /* Until the loop owns its context an invoke would run on the caller. */
  while (!g_main_loop_is_running(s->loop)) g_thread_yield();
  return s;
}

static gboolean quit(gpointer arg) {
  g_main_loop_quit(((subject *)arg)->loop);
  return G_SOURCE_REMOVE;
}

/* The loop owns its context as long as it runs: this always queues. */
static void queue(subject *s, GSourceFunc run, gpointer arg) {
  g_main_context_invoke(s->context, run, arg);
}

static void stop(void *ctx) {
  subject *s = ctx;
  if (s->pool != NULL) g_thread_pool_free(s->pool, FALSE, TRUE);
  queue(s, quit, s);
  g_thread_join(s->thread);
  g_main_loop_unref(s->loop);
  g_main_context_unref(s->context);
  g_free(s->timers);
  g_free(s);
}

/* --- Blocking calls
 * ----------------------------------------------------------- */

typedef struct call {
  bench_task fn;
  void *arg;
  gboolean done; /* under the mutex */
  GMutex mutex;
  GCond cond;
} call;

static void call_done(call *c) {
  g_mutex_lock(&c->mutex);
  c->done = TRUE;
  g_cond_signal(&c->cond);
  g_mutex_unlock(&c->mutex);
}

static gboolean call_run(gpointer arg) {
  call *c = arg;
  c->fn(c->arg);
  call_done(c);
  return G_SOURCE_REMOVE;
}

static void call_begin(call *c, bench_task fn, void *arg) {
  c->fn = fn;
  c->arg = arg;
  c->done = FALSE;
  g_mutex_init(&c->mutex);
  g_cond_init(&c->cond);
}

static void call_wait(call *c) {
  g_mutex_lock(&c->mutex);
  while (!c->done) g_cond_wait(&c->cond, &c->mutex);
  g_mutex_unlock(&c->mutex);
  g_mutex_clear(&c->mutex);
  g_cond_clear(&c->cond);
}

static void on_loop(void *ctx, bench_task fn, void *arg) {
  call c;
  call_begin(&c, fn, arg);
  queue(ctx, call_run, &c);
  call_wait(&c);
}

static void handle(void *arg) {
  *(int *)arg = bench_handle(*(int *)arg);
}

static int sync_call(void *ctx, int x) {
  on_loop(ctx, handle, &x);
  return x;
}

static void pool_run(gpointer data, gpointer user) {
  (void)user;
  (void)call_run(data);
}

typedef struct pool_order {
  subject *s;
  call *call;
} pool_order;

static void to_pool(void *arg) {
  pool_order *o = arg;
  if (o->s->pool == NULL)
    o->s->pool = g_thread_pool_new(pool_run, NULL, 4, FALSE, NULL);
  g_thread_pool_push(o->s->pool, o->call, NULL);
}

static gboolean pool_forward(gpointer arg) {
  to_pool(arg);
  return G_SOURCE_REMOVE;
}

/* By way of the loop, which is where a handler would decide to offload. */
static int offload(void *ctx, int x) {
  call c;
  pool_order o = {ctx, &c};
  call_begin(&c, handle, &x);
  queue(ctx, pool_forward, &o);
  call_wait(&c);
  return x;
}

/* --- Posts and submissions
 * ------------------------------------------------------ */

static gboolean count(gpointer arg) {
  bench_count(arg);
  return G_SOURCE_REMOVE;
}

static void post(void *ctx, uint64_t *n) {
  queue(ctx, count, n);
}

typedef struct submission {
  int x;
  bench_done done;
  void *arg;
} submission;

static gboolean submission_run(gpointer arg) {
  submission *s = arg;
  s->done(s->arg, bench_handle(s->x));
  g_free(s);
  return G_SOURCE_REMOVE;
}

static void submit(void *ctx, int x, bench_done done, void *arg) {
  submission *s = g_new(submission, 1);
  *s = (submission){x, done, arg};
  queue(ctx, submission_run, s);
}

/* --- Timers
 * ---------------------------------------------------------------------- */

static void timer_open(void *ctx, unsigned n) {
  subject *s = ctx;
  s->timers = g_new0(GSource *, n);
}

static gboolean never(gpointer arg) {
  (void)arg;
  return G_SOURCE_REMOVE;
}

static void timer_arm(void *ctx, unsigned slot, unsigned ms) {
  subject *s = ctx;
  GSource *source = g_timeout_source_new(ms);
  g_source_set_callback(source, never, NULL, NULL);
  g_source_attach(source, s->context);
  s->timers[slot] = source;
}

static void timer_cancel(void *ctx, unsigned slot) {
  subject *s = ctx;
  g_source_destroy(s->timers[slot]);
  g_source_unref(s->timers[slot]);
}

const bench_system bench_subject = {
    .name = "glib",
    .start = start,
    .stop = stop,
    .sync = sync_call,
    .post = post,
    .submit = submit,
    .offload = offload,
    .on_loop = on_loop,
    .timer_open = timer_open,
    .timer_arm = timer_arm,
    .timer_cancel = timer_cancel,
};
