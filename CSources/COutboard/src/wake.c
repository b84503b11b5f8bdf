/* Waking the loop: one write to an eventfd, made by the pusher that found the
 * list SLEEPING (queue.h).
 *
 * Not uv_async_send: its relaxed early return trusts a write that another
 * thread is about to make (libuv issue 4584), so a preempted waker would stall
 * everybody behind it. The raw system call is no cancellation point. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

int ob__wake(ob_engine *engine) {
  const uint64_t one = 1;
  int saved = errno;
  long rc;
  /* A callback of libuv's runs before the sleep is called off; the loop drains
   * before it sleeps again. */
  if (ob__on_loop(engine)) return 0;
  do {
    rc = syscall(SYS_write, engine->wake_fd, &one, sizeof one);
  } while (rc < 0 && errno == EINTR);
  /* EAGAIN: the counter is full, so a wake-up is pending. */
  /* Anything else: the host has closed our descriptor. From here on every entry
   * is refused with OB_EBROKEN. */
  if (OB_UNLIKELY(rc < 0 && errno != EAGAIN)) {
    ob__store_relaxed(&engine->broken, errno);
    errno = saved;
    return -1;
  }
  errno = saved;
  return 1;
}
