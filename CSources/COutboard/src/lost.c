/* An engine whose descriptors the host has closed.
 *
 * Whoever finds out says so in engine->broken: a waker, whose call fails; the
 * loop, which looks at its epoll set before it waits there; a libuv whose
 * epoll_wait was redirected (CPluginABI/link/uv_stubs.c). From then on every
 * entry is refused with OB_EBROKEN. The loop thread takes leave of libuv and
 * goes on without it: it sleeps on a futex, runs timers from the wheel, ends
 * what waits and what runs with OB_EBROKEN, and stops as any other loop.
 *
 * A loop that sleeps in epoll_wait is not told of the close: its set lives on
 * inside the call, without members. The only way to reach it that needs neither
 * a descriptor nor a signal handler of ours is pthread_cancel. So cancellation
 * is enabled around that sleep and nowhere else, nobody else has the thread,
 * and the cleanup handler, which runs on it, goes on from there (boot.c). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

#include "internal.h"

/* --- Any thread -------------------------------------------------------------
 */

/* glibc unwinds by libgcc_s, which it loads when first needed, and ends the
 * process if it cannot: then there may be no descriptor to load it with. */
static uint32_t can_unwind;

void ob__lost_prepare(void) {
#if defined(__GLIBC__) && !defined(OB_BREAK_UNWINDER)
  if (dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL) == NULL) return;
#endif
  ob__store_release(&can_unwind, 1u);
}

void ob__lose(ob_engine *engine, int error) {
  ob__lock_take(&engine->lost_lock);
  if (!engine->thread_gone && ob__load_relaxed(&engine->broken) == 0) {
    ob__store_relaxed(&engine->broken, error);
#ifndef OB_BREAK_REACH
    if (ob__load_acquire(&can_unwind) && !ob__on_loop(engine))
      pthread_cancel(engine->thread);
#endif
  }
  ob__lock_give(&engine->lost_lock);
}

/* --- Loop thread ------------------------------------------------------------
 */

void ob__reachable(ob_engine *engine, int yes) {
  engine->reachable = yes;
  pthread_setcancelstate(yes ? PTHREAD_CANCEL_ENABLE : PTHREAD_CANCEL_DISABLE,
                         NULL);
}

void ob__lost_end(ob_engine *engine) {
  ob__lock_take(&engine->lost_lock);
  engine->thread_gone = 1; /* nobody cancels it any more */
  ob__lock_give(&engine->lost_lock);
}

/* What its handler may still read is its caller's memory, which the caller has
 * back as soon as the call has ended. */
static int reads_callers_memory(const ob_request *request) {
  const ob__full *full = (const ob__full *)request;
#ifdef OB_BREAK_READER
  return 0;
#endif
  if (request->input == NULL || full->destroy != NULL) return 0;
  return (request->flags & OB_CALL_BORROW) ||
         ((request->flags & OB__FLAG_BLOCKED) && full->deadline == OB_FOREVER);
}

/* Handlers that have not answered wait for something, most often for I/O that
 * will not come. Jobs of the pool need no loop: they answer. */
static void end_running(ob_engine *engine) {
  ob_request *request;
  for (request = engine->running; request != NULL;
       request = ob__full_of(request)->next)
    if (!(request->flags & OB_CALL_OFFLOAD))
      ob__end_early(request, reads_callers_memory(request) ? OB__END_CANCEL
                                                           : OB__END_BROKEN);
}

/* Takes what has been pushed and what is due; 0: nothing. */
static int turn(ob_engine *engine) {
  uint64_t now = ob__now();
  uint32_t ran;
  ob__exit_check(engine);
  ran = ob__drain(engine);
  if (engine->wheel.fresh != NULL) ob__wheel_settle(&engine->wheel, now);
  if (engine->wheel.count > 0) ob__wheel_advance(&engine->wheel, now);
  return ran > 0 || engine->ready != NULL;
}

void ob__lost_run(ob_engine *engine) {
  ob__queue_awake(engine); /* it may have been taken from its sleep */
  engine->poll_time = ob__now();
  engine->drain_status = (uint32_t)OB_EBROKEN;
#ifndef OB_BREAK_IO_TOLD
  if (engine->ios != NULL) engine->ios_lose(engine);
#endif
  ob__loop_lose(engine);
  ob__store_release(&engine->lost, 1u);
  ob__store_relaxed(&engine->parks, 1u); /* ob__queue_sleep publishes it */
#ifndef OB_BREAK_LET_GO
  end_running(engine);
#endif
  for (;;) {
    int busy = turn(engine);
    if (ob__load_relaxed(&engine->stop) != OB__STOP_NONE &&
        ob__stop_step(engine))
      return;
    if (busy || engine->ready != NULL || !ob__queue_sleep(engine)) continue;
    ob__park(&engine->parker, ob__wheel_next(&engine->wheel));
    ob__queue_awake(engine);
  }
}
