/* Waking the loop: one system call, made by the pusher that found the list
 * SLEEPING (queue.h). A loop that waits for no I/O sleeps on a futex (nap.c);
 * one that does, in epoll_wait, is woken by epoll_ctl.
 *
 * The loop's epoll set has an eventfd in it that is readable for good but asked
 * for nothing; asking for it once (EPOLLONESHOT) wakes the loop. The kernel
 * delivers and disarms under one lock, so no wake-up is lost and there is
 * nothing to reset. A write to the descriptor would do as well, but whoever
 * closed it and opened a file under its number would find our eight bytes in
 * there. This call fails on everything that is not the set with that very
 * descriptor in it.
 *
 * Not uv_async_send: its relaxed early return trusts a write that another
 * thread is about to make (libuv issue 4584), so a preempted waker would stall
 * everybody behind it. The raw system call is no cancellation point. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

int ob__wake(ob_engine *engine) {
  struct epoll_event event;
  int saved = errno, rc = 1;
  /* A callback of libuv's runs before the sleep is called off; the loop drains
   * before it sleeps again. */
  if (ob__on_loop(engine)) return 0;
  /* Set before the sleep that our push has seen. If that sleep is over, and the
   * next one is of the other kind, nobody needs this wake-up any more. */
  if (OB_LIKELY(ob__load_acquire(&engine->parks))) {
    ob__unpark_now(&engine->parker);
    return 1;
  }
  memset(&event, 0, sizeof event);
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.fd = engine->wake_fd;
  if (OB_LIKELY(syscall(SYS_epoll_ctl, engine->backend_fd, EPOLL_CTL_MOD,
                        engine->wake_fd, &event) == 0))
    return rc;
  rc = -errno;
#ifdef OB_BREAK_TYPE /* a wake-up by number alone */
  if (write(engine->wake_fd, "12345678", 8) == 8) return 1;
#endif
  errno = saved;
  return rc;
}
