/* Sleeping without libuv: on a futex, until something is pushed or a timer is
 * due.
 *
 * An engine that only runs calls needs no libuv loop, and has none: an
 * epoll_wait (with the look before it that libuv makes to measure idleness), an
 * epoll_ctl to be woken and a look whether the set is still ours are five
 * system calls for what two futex calls do. From the first time that somebody
 * asks for the loop, or for descriptors to be waited for (ob__uv_lend), the
 * engine sleeps in libuv for good: whether all handles are idle again is not
 * for us to know.
 */
#include "internal.h"

int ob__sleep_begins(ob_engine *engine) {
  if (engine->ready != NULL || !ob__queue_sleep(engine)) return 0;
  ob__store_relaxed(&engine->loop_cpu, -1);
  engine->last_lane = NULL; /* whoever comes first is taken to be alone */
  engine->streak = OB__ALONE;
  ob__count(&engine->n_sleeps, 1);
  if (OB_UNLIKELY(ob__load_relaxed(&engine->inspect) != 0))
    ob__inspect_sleep(engine);
  return 1;
}

void ob__sleep_ends(ob_engine *engine) {
  ob__queue_awake(engine);
  if (OB_UNLIKELY(ob__watch_on(engine)))
    ob__watch_awake(ob__load_acquire(&engine->insight));
}

int ob__nap(ob_engine *engine) {
  uint64_t begin = ob__now(), until, now, looked = engine->poll_time;
  ob__exit_check(engine); /* the last item may have forked, and returned */
  if (OB_UNLIKELY(ob__load_relaxed(&engine->broken) > 0)) return 0;
  if (engine->wheel.fresh != NULL) ob__wheel_settle(&engine->wheel, begin);
  if (!ob__sleep_begins(engine)) return 1;
  ob__store_relaxed(&engine->nap_since, begin);
  until = ob__wheel_next(&engine->wheel);
#ifdef OB_BREAK_IDLE /* a heartbeat, as loops like to have one */
  if (until == OB_FOREVER) until = begin + 100000000u;
#endif
  do { /* a late wake-up of the sleep before is none of this one */
    ob__park(&engine->parker, until);
    now = ob__now();
  } while (ob__load_relaxed(&engine->head) == OB__SLEEPING && now < until);
  ob__count(&engine->idle_ns, now - begin);
  ob__store_release(&engine->nap_since, UINT64_C(0));
  ob__sleep_ends(engine);
  engine->poll_items = 0;
  engine->poll_time = now;
  engine->poll_left = engine->poll_every;
  if (OB_UNLIKELY(ob__load_relaxed(&engine->inspect) != 0))
    ob__inspect_wake(engine, looked, now - begin);
  if (engine->wheel.count > 0) ob__wheel_advance(&engine->wheel, now);
  return 1;
}
