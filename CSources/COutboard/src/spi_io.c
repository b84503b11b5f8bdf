/* More of outboard_spi.h: readiness of descriptors.
 *
 * One epoll set per engine, inside the loop's own: the loop polls the set, the
 * set polls the descriptors. uv_poll_t would do for each descriptor, but it
 * makes the caller's descriptor non-blocking, reports every error as EBADF,
 * costs two system calls per wait, and its memory outlives its close, which at
 * a stop comes without a callback. Registrations are one-shot and carry a tag,
 * so that an event that was fetched before its descriptor was let go, or of a
 * file that lives on under another number, is told from a fresh one.
 *
 * The loop's eventfd is a member, too, that is asked for nothing: so the set
 * can be told from a stranger's under its number (fds.c). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "internal.h"

#define EVENTS 64 /* looked at in one go, before other work has its turn */

struct ob_io {
  uv_poll_t poll;      /* of epoll_fd */
  ob_timer closing;    /* never due: tells that the loop closes */
  ob_engine *engine;   /* whose loop */
  ob_io_ready ready;   /* the caller's */
  ob_io_closed closed; /* the caller's */
  void *user;          /* for both */
  uint32_t fork_word;  /* fork.c: the process it belongs to */
  int status;          /* OB_OK; why it takes no more */
  int epoll_fd;        /* closed with OB_ESHUTDOWN */
  struct ob_io *next;  /* of the engine's */
};

void ob_spi_errno_text(int code, char *text, size_t size) {
  char reason[96], name[24];
  uv_strerror_r(-code, reason, sizeof reason);
  uv_err_name_r(-code, name, sizeof name);
  snprintf(text, size, "%s (%s)", reason, name);
}

uint32_t ob_spi_process(void) {
  return ob__fork_word();
}

int ob_spi_enter(ob_engine *engine) {
  return ob__enter(engine);
}

int ob_spi_io_ours(const ob_io *io) {
  return io->fork_word == ob__fork_word();
}

static void close_set(const ob_io *io) {
#ifndef OB_BREAK_IO
  if (!ob__fd_known(io->epoll_fd, io->engine->wake_fd)) return;
#endif
  ob__fd_close(io->epoll_fd);
}

static void leave_engine(ob_io *io) {
  ob_io **at = &io->engine->ios;
  while (*at != NULL && *at != io) at = &(*at)->next;
  if (*at == io) *at = io->next;
}

/* The host has closed the set, or the loop's. */
static void lose(ob_io *io) {
  if (io->status != OB_OK) return;
  io->status = OB_EBROKEN;
  close_set(io); /* the loop's may be gone, and this one be there */
  io->closed(io->user, OB_EBROKEN);
}

static void lose_all(ob_engine *engine) {
  ob_io *io, *next;
  for (io = engine->ios; io != NULL; io = next) {
    next = io->next;
    lose(io);
  }
}

/* Fires once, as the loop closes; the last use of io here. */
static void on_closing(ob_timer *timer, int status) {
  ob_io *io = (ob_io *)((char *)timer - offsetof(struct ob_io, closing));
  leave_engine(io);
  if (io->status != OB_EBROKEN) close_set(io);
  io->status = status;
  io->closed(io->user, status);
}

static uint32_t from_epoll(uint32_t found) {
  uint32_t events = 0;
  /* Whatever is wrong is found out by the next read or write. */
  if (found & (EPOLLERR | EPOLLHUP)) return OB_IO_READ | OB_IO_WRITE;
  if (found & (EPOLLIN | EPOLLRDHUP)) events |= OB_IO_READ;
  if (found & EPOLLOUT) events |= OB_IO_WRITE;
  return events;
}

static void on_ready(uv_poll_t *handle, int status, int events) {
  ob_io *io = handle->data;
  struct epoll_event found[EVENTS];
  int count, i;
  (void)events;
  ob__reachable(io->engine, 0);
  io->engine->proved = 1;
  /* Level-triggered: what does not fit comes again. */
  count = status == 0 ? epoll_wait(io->epoll_fd, found, EVENTS, 0) : -1;
  if (count < 0 && (status != 0 || errno != EINTR)) {
    uv_poll_stop(&io->poll); /* the host has closed the set */
    lose(io);
    return;
  }
  for (i = 0; i < count; i++)
    io->ready(io->user, (int)(found[i].data.u64 & UINT32_MAX),
              (uint32_t)(found[i].data.u64 >> 32), from_epoll(found[i].events));
}

static int open_set(ob_io *io) {
  struct epoll_event nothing;
  int rc;
  io->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (io->epoll_fd < 0) return -errno;
  io->epoll_fd = ob__fd_raise(io->epoll_fd);
  memset(&nothing, 0, sizeof nothing);
  nothing.events = EPOLLONESHOT;
  rc = 0;
  if (epoll_ctl(io->epoll_fd, EPOLL_CTL_ADD, io->engine->wake_fd, &nothing) !=
      0)
    rc = -errno;
  if (rc == 0) rc = uv_poll_init(&io->engine->uv, &io->poll, io->epoll_fd);
  if (rc != 0) {
    close(io->epoll_fd);
    return rc;
  }
  io->poll.data = io;
  uv_poll_start(&io->poll, UV_READABLE, on_ready); /* cannot fail */
  return 0;
}

int ob_spi_io_open(ob_io **out, ob_engine *engine, ob_io_ready ready,
                   ob_io_closed closed, void *user) {
  ob_io *io;
  int rc;
  ob__assert_loop(engine, "ob_spi_io_open");
  /* The loop's handles are being closed: another would hold up the stop. */
  if (engine->hooks_done) return ob__refuse_shutdown(engine);
  rc = ob__uv_lend(engine);
  if (rc != OB_OK) return rc;
  io = calloc(1, sizeof *io);
  if (io == NULL) return ob__fail(OB_ENOMEM, "no memory for descriptors");
  *io = (ob_io){.engine = engine,
                .ready = ready,
                .closed = closed,
                .user = user,
                .fork_word = ob__fork_word()};
  rc = open_set(io);
  if (rc != 0) {
    free(io);
    return ob__fail(OB_ESYSTEM, "no descriptor to wait for others with: %s",
                    uv_strerror(rc));
  }
  io->closing.fire = on_closing;
  ob_spi_timer_start(engine, &io->closing, OB_FOREVER / 4);
  io->next = engine->ios;
  engine->ios = io;
  engine->ios_lose = lose_all;
  *out = io;
  return OB_OK;
}

static int control(ob_io *io, int op, int fd, uint32_t tag, uint32_t events) {
  struct epoll_event event;
  memset(&event, 0, sizeof event);
  event.events = EPOLLONESHOT;
  if (events & OB_IO_READ) event.events |= EPOLLIN | EPOLLRDHUP;
  if (events & OB_IO_WRITE) event.events |= EPOLLOUT;
  event.data.u64 = (uint64_t)tag << 32 | (uint32_t)fd;
  if (epoll_ctl(io->epoll_fd, op, fd, &event) == 0) return 0;
  return errno;
}

int ob_spi_io_control(ob_io *io, int op, int fd, uint32_t tag,
                      uint32_t events) {
  static const int ops[] = {EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL};
  int rc;
  ob__assert_loop(io->engine, "ob_spi_io_control");
  /* The set is shared with the parent: what is taken out here is there too. */
  if (!ob_spi_io_ours(io)) return OB_EFORKED;
  if (io->status != OB_OK) return io->status;
  if (op != OB_IO_DELETE && uv_is_closing((uv_handle_t *)&io->poll))
    return OB_ESHUTDOWN;
  rc = control(io, ops[op], fd, tag, events);
  /* If the descriptor itself is fine, the set is not: the host has closed it,
   * or made something else of its number. */
  if (rc == EINVAL || (rc == EBADF && fcntl(fd, F_GETFD) >= 0))
    return OB_EBROKEN;
  return rc;
}

void ob_spi_io_free(ob_io *io) {
  if (io->fork_word == ob__fork_word()) {
    free(io);
    return;
  }
  /* The parent's. The rest is as its loop left it at the fork. */
  if (io->status == OB_OK && ob__fd_is_set(io->epoll_fd))
    ob__fd_close(io->epoll_fd);
}
