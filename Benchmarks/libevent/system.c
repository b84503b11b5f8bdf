/* libevent: event_base_once with a zero timeout from any thread (evthread makes
 * the base safe for that and wakes it), a mutex and a condition for a caller
 * that waits.
 *
 * Fair, because it is the library's own way of handing work to another thread's
 * base; a caller that waits needs no event of its own: it activates one in its
 * frame by event_active. */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

typedef struct subject {
  struct event_base *base;
  pthread_t thread;
  struct event *timers; /* loop thread */
} subject;

static void *loop_thread(void *arg) {
  subject *s = arg;
  event_base_loop(s->base, EVLOOP_NO_EXIT_ON_EMPTY);
  return NULL;
}

static void *start(void) {
  subject *s = calloc(1, sizeof *s);
  if (s == NULL) bench_fail("out of memory");
  if (evthread_use_pthreads() != 0) bench_fail("evthread_use_pthreads failed");
  s->base = event_base_new();
  if (s->base == NULL) bench_fail("event_base_new failed");
  if (pthread_create(&s->thread, NULL, loop_thread, s) != 0)
    bench_fail("cannot start the loop's thread");
  return s;
}

static void on_quit(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  event_base_loopbreak(arg);
}

static void once(subject *s, event_callback_fn run, void *arg) {
  static const struct timeval now = {0, 0};
  if (event_base_once(s->base, -1, EV_TIMEOUT, run, arg, &now) != 0)
    bench_fail("event_base_once failed");
}

static void stop(void *ctx) {
  subject *s = ctx;
  once(s, on_quit, s->base);
  pthread_join(s->thread, NULL);
  event_base_free(s->base);
  free(s->timers);
  free(s);
}

/* --- Blocking calls
 * ------------------------------------------------------------- */

typedef struct call {
  struct event event;
  bench_task fn;
  void *arg;
  int done; /* under the mutex */
  pthread_mutex_t mutex;
  pthread_cond_t cond;
} call;

static void call_run(evutil_socket_t fd, short what, void *arg) {
  call *c = arg;
  (void)fd;
  (void)what;
  c->fn(c->arg);
  pthread_mutex_lock(&c->mutex);
  c->done = 1;
  pthread_cond_signal(&c->cond);
  pthread_mutex_unlock(&c->mutex);
}

static void on_loop(void *ctx, bench_task fn, void *arg) {
  subject *s = ctx;
  call c = {.fn = fn, .arg = arg};
  pthread_mutex_init(&c.mutex, NULL);
  pthread_cond_init(&c.cond, NULL);
  event_assign(&c.event, s->base, -1, 0, call_run, &c);
  event_active(&c.event, EV_TIMEOUT, 0);
  pthread_mutex_lock(&c.mutex);
  while (!c.done) pthread_cond_wait(&c.cond, &c.mutex);
  pthread_mutex_unlock(&c.mutex);
  event_del(&c.event); /* waits for the callback to have returned */
  pthread_cond_destroy(&c.cond);
  pthread_mutex_destroy(&c.mutex);
}

static void handle(void *arg) {
  *(int *)arg = bench_handle(*(int *)arg);
}

static int sync_call(void *ctx, int x) {
  on_loop(ctx, handle, &x);
  return x;
}

/* --- Posts and submissions
 * -------------------------------------------------------- */

static void count(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  bench_count(arg);
}

static void post(void *ctx, uint64_t *n) {
  once(ctx, count, n);
}

typedef struct submission {
  int x;
  bench_done done;
  void *arg;
} submission;

static void submission_run(evutil_socket_t fd, short what, void *arg) {
  submission *s = arg;
  (void)fd;
  (void)what;
  s->done(s->arg, bench_handle(s->x));
  free(s);
}

static void submit(void *ctx, int x, bench_done done, void *arg) {
  submission *s = malloc(sizeof *s);
  if (s == NULL) bench_fail("out of memory");
  *s = (submission){x, done, arg};
  once(ctx, submission_run, s);
}

/* --- Timers
 * ------------------------------------------------------------------------ */

static void on_timer(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  (void)arg;
}

static void timer_open(void *ctx, unsigned n) {
  subject *s = ctx;
  unsigned i;
  s->timers = calloc(n, sizeof *s->timers);
  if (s->timers == NULL) bench_fail("out of memory");
  for (i = 0; i < n; i++) evtimer_assign(&s->timers[i], s->base, on_timer, s);
}

static void timer_arm(void *ctx, unsigned slot, unsigned ms) {
  struct timeval after = {ms / 1000, (ms % 1000) * 1000};
  evtimer_add(&((subject *)ctx)->timers[slot], &after);
}

static void timer_cancel(void *ctx, unsigned slot) {
  evtimer_del(&((subject *)ctx)->timers[slot]);
}

const bench_system bench_subject = {
    .name = "libevent",
    .start = start,
    .stop = stop,
    .sync = sync_call,
    .post = post,
    .submit = submit,
    .on_loop = on_loop,
    .timer_open = timer_open,
    .timer_arm = timer_arm,
    .timer_cancel = timer_cancel,
};
