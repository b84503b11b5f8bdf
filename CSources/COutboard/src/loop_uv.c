/* The libuv loop as it is made and taken down, and as the host may have left
 * it.
 *
 * libuv aborts where it gets some descriptors and not all, and where its epoll
 * set is gone. A libuv inside a plugin has its system calls redirected
 * (CPluginABI/link/uv_stubs.c) and is told from here what to do; the system's
 * is kept from getting so far, but for a race. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#define LOOP_FDS 8 /* descriptors of a libuv loop, and one to spare */
#define RESERVED 6 /* those of a loop that is made */

#define FEW                                                                 \
  "; a loop takes 5 descriptors, 9 while it is made: close some files, or " \
  "raise RLIMIT_NOFILE (ulimit -n)"

/* --- A libuv that is told from ours ------------------------------------------
 */

/* Its epoll_wait has failed on this set: what it is to find there. */
static int on_lost(int set) {
  ob_engine *engine = ob__loop_self();
  if (engine == NULL || set != engine->uv.backend_fd) return -1;
  ob__lose(engine, EBADF);
  uv_stop(&engine->uv);
  return engine->wake_fd;
}

/* What may be cancelled is the sleep, no callback that comes after it. libuv
 * may sleep again when an event was nobody's. */
static void on_sleep(int begins) {
  ob_engine *engine = ob__loop_self();
  if (engine == NULL || !engine->reachable) return;
  pthread_setcancelstate(
      begins ? PTHREAD_CANCEL_ENABLE : PTHREAD_CANCEL_DISABLE, NULL);
}

/* It is about to abort. A loop that is being made is given up, for whoever
 * asked for it has frames above ours; else the thread ends in place of the
 * process (boot.c). */
static void on_dead(void) {
  ob_engine *engine = ob__loop_self();
  if (engine == NULL || ob__load_relaxed(&engine->lost)) return;
#ifndef OB_BREAK_MAKING
  if (engine->making != NULL) longjmp(*(jmp_buf *)engine->making, 1);
#endif
  ob__lose(engine, EBADF);
  engine->reachable = 1; /* for guard.c */
  pthread_exit(NULL);
}

/* Before libuv waits at its set. With doubt the set is asked. */
int ob__set_is_ours(ob_engine *engine, int doubt) {
  if (ob__load_relaxed(&engine->broken) > 0) return 0;
#ifdef OB_BREAK_SET
  doubt = 0;
#endif
  if (doubt && !ob__fd_known(engine->backend_fd, engine->wake_fd))
    ob__lose(engine, EBADF);
  return ob__load_relaxed(&engine->broken) <= 0;
}

/* uv_loop_init aborts the process when it gets some descriptors but not all. So
 * try for as many first; a host that opens others meanwhile can still win the
 * race. */
static int probe_descriptors(const ob_engine *engine) {
  int fds[LOOP_FDS], i, rc = 0;
  for (i = 0; i < LOOP_FDS; i++) {
    fds[i] = fcntl(engine->wake_fd, F_DUPFD_CLOEXEC, 0);
    if (fds[i] >= 0) continue;
    rc = -errno;
    break;
  }
  /* Raw, as libuv closes: ThreadSanitizer must see both or neither. */
  while (i-- > 0) syscall(SYS_close, fds[i]);
  return rc;
}

/* An epoll set, an eventfd, and a pipe; another pipe for the first loop. */
static int reserve(int fds[RESERVED]) {
  int i, ok;
  memset(fds, -1, sizeof *fds * RESERVED);
  fds[0] = epoll_create1(EPOLL_CLOEXEC);
  fds[1] = fds[0] >= 0 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
  ok = fds[1] >= 0 && pipe2(&fds[2], O_CLOEXEC) == 0 &&
       pipe2(&fds[4], O_CLOEXEC) == 0;
  if (!ok) return -errno;
  for (i = 0; i < RESERVED; i++) fds[i] = ob__fd_raise(fds[i]);
  return 0;
}

/* A redirected libuv gets what was reserved for it, and there is no race. */
static int init_uv(ob_engine *engine) {
  int fds[RESERVED], rc, i;
  if (!ob__uv_told()) {
#ifdef OB_BREAK_PROBE
    return uv_loop_init(&engine->uv);
#endif
    rc = probe_descriptors(engine);
    return rc == 0 ? uv_loop_init(&engine->uv) : rc;
  }
  ob__store_relaxed(&ob__uv_lost, on_lost);
  ob__store_relaxed(&ob__uv_sleep, on_sleep);
  ob__store_relaxed(&ob__uv_dead, on_dead);
  rc = reserve(fds);
  ob__uv_reserve(fds);
  if (rc == 0) rc = uv_loop_init(&engine->uv);
  ob__uv_reserve(NULL);
  for (i = 0; i < RESERVED; i++)
    if (fds[i] >= 0) ob__fd_close(fds[i]);
  return rc;
}

int ob__uv_open(ob_engine *engine) {
  int rc = init_uv(engine);
  if (rc != 0) return rc;
  /* Nothing is in the set yet. */
  engine->uv.backend_fd = ob__fd_raise(engine->uv.backend_fd);
  engine->backend_fd = engine->uv.backend_fd;
  return 0;
}

/* --- From when on there is one ----------------------------------------------
 */

/* 0, or one of libuv's errors. A libuv that would have aborted leaves what it
 * has, for nobody knows how far it came; so do the numbers that it had. */
static int open_or_leave(ob_engine *engine) {
  jmp_buf out;
  int rc;
  if (setjmp(out) != 0) {
    engine->making = NULL;
    ob__uv_reserve(NULL);
    engine->wake_open = 0;
    return UV_EAGAIN;
  }
  engine->making = &out;
  rc = ob__loop_open(engine);
  engine->making = NULL;
  return rc;
}

static int make_loop(ob_engine *engine) {
  int rc = ob__system_check(), uv_status;
  if (rc == OB_OK) rc = ob__system_memory();
  if (rc != OB_OK) return rc;
  uv_status = ob__wake_open(engine);
  if (uv_status == 0) {
    uv_status = open_or_leave(engine);
    if (uv_status == 0) return OB_OK;
    ob__wake_close(engine);
  }
  return ob__fail(uv_status == UV_ENOMEM ? OB_ENOMEM : OB_ESYSTEM,
                  "the libuv loop of engine \"%s\" could not be made: %s%s",
                  engine->name, uv_strerror(uv_status),
                  uv_status == UV_EMFILE || uv_status == UV_ENFILE ? FEW : "");
}

static int make_and_lend(ob_engine *engine) {
  int rc = make_loop(engine);
  if (rc != OB_OK) return rc;
  pthread_mutex_lock(&engine->life_mutex);
  engine->uv_closed = 0;
  pthread_mutex_unlock(&engine->life_mutex);
  engine->uv_lent = 1;
#ifndef OB_BREAK_PARKS
  /* ob__queue_sleep publishes it; release: the descriptors, to a waker that is
   * late for a nap that is over. */
  ob__store_release(&engine->parks, 0u);
#endif
  return OB_OK;
}

int ob__uv_lend(ob_engine *engine) {
  int rc = OB_OK;
  if (!ob__set_is_ours(engine, 0)) return ob__refuse_broken(engine);
  if (!engine->uv_lent) rc = make_and_lend(engine);
  engine->uv_touched = 1; /* new watchers are registered by the next poll */
  return rc;
}

uint64_t ob__uv_idle(const ob_engine *engine) {
  /* libuv reads only. */
  return engine->uv_lent ? uv_metrics_idle_time((uv_loop_t *)&engine->uv) : 0;
}

/* --- Its end ----------------------------------------------------------------
 */

static void close_any(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

void ob__uv_undo(ob_engine *engine) {
  uv_walk(&engine->uv, close_any, engine);
  uv_run(&engine->uv, UV_RUN_DEFAULT);
  uv_loop_close(&engine->uv);
}

static int is_ours(const ob_engine *engine, const uv_handle_t *handle) {
  return handle == (const uv_handle_t *)&engine->wake_poll ||
         handle == (const uv_handle_t *)&engine->prepare ||
         handle == (const uv_handle_t *)&engine->check ||
         handle == (const uv_handle_t *)&engine->timer;
}

/* Whether uv_close leaves numbers of descriptors alone. */
static int closes_no_descriptor(const uv_handle_t *handle) {
  switch (uv_handle_get_type(handle)) {
    case UV_POLL:
    case UV_TIMER:
    case UV_IDLE:
    case UV_PREPARE:
    case UV_CHECK:
    case UV_ASYNC:
      return 1;
    default:
      return 0;
  }
}

static void close_theirs(uv_handle_t *handle, void *arg) {
  const ob_engine *engine = arg;
  if (is_ours(engine, handle) || uv_is_closing(handle)) return;
  if (ob__load_relaxed(&engine->lost) && !closes_no_descriptor(handle)) return;
  uv_close(handle, NULL);
}

static void count_theirs(uv_handle_t *handle, void *arg) {
  ob_engine *engine = arg;
  if (!is_ours(engine, handle)) engine->foreign_handles++;
}

int ob__loop_close_handles(ob_engine *engine) {
  int lost = ob__load_relaxed(&engine->lost) != 0;
  if (!engine->uv_lent) return 1;
  if (!lost && !ob__set_is_ours(engine, !ob__uv_told())) return 0;
  uv_walk(&engine->uv, close_theirs, engine);
  engine->sleep_allowed = 0;
  if (engine->uv.backend_fd >= 0)
    OB__CALL_OUT(uv_run(&engine->uv, UV_RUN_NOWAIT));
  engine->foreign_handles = 0;
  uv_walk(&engine->uv, count_theirs, engine);
  /* What cannot be closed without its descriptor stays, and so does the loop's
   * memory. */
  return lost || engine->foreign_handles == 0;
}

/* Its descriptors are forgotten, and its handles need a set to be closed with:
 * a new one, empty. Without it libuv is not called any more. */
void ob__loop_lose(ob_engine *engine) {
  uv_loop_t *uv = &engine->uv;
  int fd;
  if (!engine->uv_lent) return; /* it ended while it was made */
  if (ob__fds_disown(engine)) {
    ob__fd_close(uv->backend_fd);
    ob__wake_close(engine);
  }
  fd = epoll_create1(EPOLL_CLOEXEC);
  uv->backend_fd = fd >= 0 ? ob__fd_raise(fd) : -1;
}

static void close_loop(ob_engine *engine) {
  int rounds, usable;
  /* Before the handles go, for they take themselves out of the set. */
  if (!ob__load_relaxed(&engine->lost) && !ob__fds_disown(engine))
    ob__loop_lose(engine);
  usable = engine->uv.backend_fd >= 0 && engine->foreign_handles == 0;
  if (usable) uv_walk(&engine->uv, close_any, engine);
  engine->sleep_allowed = 0;
  for (rounds = 0; usable && rounds < 100 && uv_loop_alive(&engine->uv);
       rounds++)
    OB__CALL_OUT(uv_run(&engine->uv, UV_RUN_NOWAIT));
  pthread_mutex_lock(&engine->life_mutex);
  ob__count(&engine->idle_ns, ob__uv_idle(engine));
  engine->uv_closed = 1;
  pthread_mutex_unlock(&engine->life_mutex);
  /* Fails with a uv request of the user's still pending, which may come back to
   * the loop: its memory and descriptors then stay. */
  engine->uv_leaked = uv_loop_close(&engine->uv) != 0;
  if (engine->uv_leaked && ob__load_relaxed(&engine->lost) &&
      engine->uv.backend_fd >= 0)
    ob__fd_close(engine->uv.backend_fd); /* the one made to close with */
}

/* After the queue was closed: nothing can come in any more. */
void ob__loop_close(ob_engine *engine) {
  ob__wheel_flush(&engine->wheel, OB_ESHUTDOWN);
  if (engine->uv_lent) close_loop(engine);
  ob__store_relaxed(&engine->ended_at, ob__now());
}
