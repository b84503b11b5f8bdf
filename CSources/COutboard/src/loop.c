/* The loop thread: drain, poll, spin, sleep.
 *
 * While there is work the libuv loop is only looked at now and then (poll): an
 * epoll_wait costs as much as a call. How often adapts to how long the batches
 * take, so that timers and I/O are at most about POLL_NS late. To sleep, the
 * thread runs uv_run once; its prepare callback, the last thing before
 * epoll_wait, announces the sleep in the queue's head word, or calls it off. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "internal.h"

#define POLL_NS 20000u  /* the longest that I/O waits for batches */
#define POLL_MOST 64u   /* batches between polls */
#define PROOF_NS 20000u /* so long a set that worked is taken to be there */

/* --- Set-up -----------------------------------------------------------------
 */

/* There is nothing to reset: see wake.c. */
static void on_wake(uv_poll_t *handle, int status, int events) {
  ob_engine *engine = handle->data;
  (void)status;
  (void)events;
  ob__reachable(engine, 0);
  engine->proved = 1; /* the set was there */
}

static void on_timer(uv_timer_t *handle) {
  ob_engine *engine = handle->data;
  engine->wheel_set = OB_FOREVER;
  ob__wheel_advance(&engine->wheel, ob__now());
}

/* Sets the one uv_timer to the wheel's next expiry. */
static void set_timer(ob_engine *engine) {
  uint64_t next = ob__wheel_next(&engine->wheel), now, ms;
#ifdef OB_BREAK_IDLE /* a heartbeat, as loops like to have one */
  if (next == OB_FOREVER) next = ob__now() + 100000000u;
#endif
  if (next == engine->wheel_set) return;
  engine->wheel_set = next;
  if (next == OB_FOREVER) {
    uv_timer_stop(&engine->timer);
    return;
  }
  uv_update_time(&engine->uv); /* else the timer counts from a stale now */
  /* From libuv's own now, in whole ms: so it never fires a tick early. */
  now = uv_now(&engine->uv) * UINT64_C(1000000);
  ms = next > now ? (next - now + 999999u) / 1000000u : 0;
  uv_timer_start(&engine->timer, on_timer, ms, 0);
}

/* The last thing before epoll_wait. */
static void on_prepare(uv_prepare_t *handle) {
  ob_engine *engine = handle->data;
  /* A callback of libuv's may have forked, and not left its child. */
  if (OB_UNLIKELY(ob__load_relaxed(&ob__stray))) ob__exit_slow(engine);
  if (engine->wheel.fresh != NULL) ob__wheel_settle(&engine->wheel, ob__now());
  set_timer(engine);
  if (!engine->sleep_allowed) return;
  if (ob__sleep_begins(engine)) {
    engine->proved = 0;
    ob__reachable(engine, 1);
  } else {
    uv_stop(&engine->uv); /* makes the poll a look */
  }
}

/* The first thing after epoll_wait and its callbacks. */
static void on_check(uv_check_t *handle) {
  ob_engine *engine = handle->data;
  ob__reachable(engine, 0);
  if (engine->sleep_allowed) ob__sleep_ends(engine);
}

/* libuv registers descriptors for good, and sees ours readable at once; from
 * then on it is for the wakers to ask for it. */
static int disarm(ob_engine *engine) {
  struct epoll_event event;
  uv_run(&engine->uv, UV_RUN_NOWAIT); /* registers it */
  memset(&event, 0, sizeof event);
  event.events = EPOLLONESHOT;
  event.data.fd = engine->wake_fd;
  return epoll_ctl(engine->backend_fd, EPOLL_CTL_MOD, engine->wake_fd,
                   &event) == 0
             ? 0
             : -errno;
}

static int open_handles(ob_engine *engine) {
  uv_loop_t *uv = &engine->uv;
  int rc = uv_poll_init(uv, &engine->wake_poll, engine->wake_fd);
  if (rc != 0) return rc;
  engine->wake_poll.data = engine->prepare.data = engine->check.data =
      engine->timer.data = engine;
  uv_prepare_init(uv, &engine->prepare); /* these four cannot fail */
  uv_check_init(uv, &engine->check);
  uv_timer_init(uv, &engine->timer);
  return uv_poll_start(&engine->wake_poll, UV_READABLE, on_wake);
}

int ob__loop_open(ob_engine *engine) {
  int rc = ob__uv_open(engine);
  if (rc != 0) return rc;
  engine->wheel_set = OB_FOREVER;
  /* For busy_ns: the time inside epoll_wait. */
  uv_loop_configure(&engine->uv, UV_METRICS_IDLE_TIME);
  rc = open_handles(engine);
  if (rc == 0) rc = disarm(engine);
  if (rc != 0) {
    ob__uv_undo(engine);
    return rc;
  }
  /* After that look, which is made inside somebody's handler: no timer of the
   * wheel's may run there. */
  uv_prepare_start(&engine->prepare, on_prepare);
  uv_check_start(&engine->check, on_check);
  return 0;
}

/* --- The loop ---------------------------------------------------------------
 */

/* A set that has woken the loop was there. A libuv that is not told from ours
 * aborts at the next look, so that for it this holds no longer than between two
 * calls. */
static int doubtful(const ob_engine *engine) {
  return !engine->proved ||
         (!ob__uv_told() && ob__now() - engine->poll_time >= PROOF_NS);
}

/* A look at timers and I/O without waiting; 0: there is nothing to look at any
 * more. */
static int poll_now(ob_engine *engine) {
  uint64_t now;
  if (OB_UNLIKELY(!ob__set_is_ours(
          engine, engine->uv_lent && !ob__uv_told() && doubtful(engine))))
    return 0;
  engine->sleep_allowed = 0;
  if (engine->wheel.fresh != NULL) ob__wheel_settle(&engine->wheel, ob__now());
  if (engine->wheel.count > 0) ob__wheel_advance(&engine->wheel, ob__now());
  ob__exit_check(engine); /* what has run may have forked, and returned */
  if (engine->uv_lent) OB__CALL_OUT(uv_run(&engine->uv, UV_RUN_NOWAIT));
  engine->uv_touched = 0;
  engine->poll_items = 0;
  now = ob__now();
  if (OB_UNLIKELY(ob__load_relaxed(&engine->inspect) != 0))
    ob__inspect_poll(engine, now);
  /* Aim at POLL_NS between looks: shrink at once, grow slowly. */
  if (now - engine->poll_time > POLL_NS)
    engine->poll_every = engine->poll_every > 1 ? engine->poll_every / 2 : 1;
  else if (engine->poll_every < POLL_MOST)
    engine->poll_every++;
  engine->poll_time = now;
  engine->poll_left = engine->poll_every;
  return 1;
}

/* Whether it is time for a look. The clock is read at every fourth batch only,
 * so that a row of fast batches does not pay for it. */
static int poll_due(ob_engine *engine, uint32_t ran) {
  engine->poll_items += ran;
  if (engine->uv_touched || engine->poll_items >= engine->opts.batch_limit ||
      --engine->poll_left == 0)
    return 1;
  return (engine->poll_left & 3) == 0 &&
         ob__now() - engine->poll_time > POLL_NS;
}

/* As poll_now. */
static int sleep_once(ob_engine *engine) {
  uint64_t looked;
  if (OB_LIKELY(!engine->uv_lent)) return ob__nap(engine);
  looked = engine->poll_time;
  if (OB_UNLIKELY(!ob__set_is_ours(engine, doubtful(engine)))) return 0;
  engine->sleep_allowed = 1;
  OB__CALL_OUT(uv_run(&engine->uv, UV_RUN_ONCE));
  engine->sleep_allowed = 0;
  engine->uv_touched = 0;
  engine->poll_items = 0;
  engine->poll_time = ob__now();
  engine->poll_left = engine->poll_every;
  if (OB_UNLIKELY(ob__load_relaxed(&engine->inspect) != 0))
    ob__inspect_wake(engine, looked, 0);
  return 1;
}

int ob__loop_run(ob_engine *engine) {
  for (;;) {
    uint32_t ran;
    ob__exit_check(engine);
    ran = ob__drain(engine);
    if (OB_UNLIKELY(ob__load_relaxed(&engine->stop) != OB__STOP_NONE) &&
        ob__stop_step(engine))
      return 1;
    if (ran > 0) {
      if (poll_due(engine, ran) && !poll_now(engine)) return 0;
      if (engine->ready != NULL || ob__spin_loop(engine)) continue;
    }
    if (engine->ready == NULL && !sleep_once(engine)) return 0;
  }
}
