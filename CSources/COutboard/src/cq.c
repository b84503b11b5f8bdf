/* Completion queues: ended calls for a host with a loop of its own.
 *
 * The loops push onto a list, taken whole by the consumer; who pushes onto an
 * empty list makes the descriptor readable. The consumer makes it quiet only
 * after it has found the list empty, and looks once more: so the descriptor is
 * readable as long as records are left.
 *
 * The descriptor is an epoll set with one member, an eventfd that is readable
 * for good: the set is readable while it asks for that. An eventfd alone would
 * be written to, by its number; a host that has closed it and opened a file
 * there would find our bytes in that. What we do here fails on anything but
 * this set with this member (fds.c). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

struct ob_cq {
  ob_request *head;   /* loops push by CAS, the consumer takes by exchange */
  uint32_t under_way; /* atomic: submitted and not yet being pushed */
  uint32_t pushing;   /* atomic: loops inside ob__cq_deliver */
  int fd;             /* the set */
  int member;         /* the eventfd */
  uint32_t fork_word; /* the process it belongs to */
  ob_request *local;  /* consumer: taken, oldest first */
};

static int control(const ob_cq *cq, int op, uint32_t events) {
  struct epoll_event event;
  int saved = errno, rc;
  memset(&event, 0, sizeof event);
  event.events = events;
  rc = syscall(SYS_epoll_ctl, cq->fd, op, cq->member, &event) == 0 ? 0 : -errno;
  errno = saved;
  return rc;
}

static int open_fds(ob_cq *cq) {
  int rc;
  cq->fd = epoll_create1(EPOLL_CLOEXEC);
  if (cq->fd < 0) return -errno;
  fcntl(cq->fd, F_SETFL, O_NONBLOCK); /* for who reads it all the same */
  cq->member = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
  rc = cq->member < 0 ? -errno : 0;
  if (rc == 0) {
    cq->fd = ob__fd_raise(cq->fd);
    cq->member = ob__fd_raise_apart(cq->member);
    rc = control(cq, EPOLL_CTL_ADD, 0);
  }
  if (rc == 0) return 0;
  ob__fd_close(cq->fd);
  if (cq->member >= 0) ob__fd_close(cq->member);
  return rc;
}

int ob_cq_create(ob_cq **out) {
  ob_cq *cq;
  int rc;
  if (out == NULL) return ob__fail(OB_EINVAL, "ob_cq_create: out is NULL");
  *out = NULL;
  cq = calloc(1, sizeof *cq);
  if (cq == NULL) return ob__fail(OB_ENOMEM, "ob_cq_create: out of memory");
  rc = open_fds(cq);
  if (rc != 0) {
    free(cq);
    return ob__fail(OB_ESYSTEM, "ob_cq_create: no descriptor: %s%s",
                    strerror(-rc),
                    rc == -EMFILE || rc == -ENFILE
                        ? "; a queue takes 2: close some files, or raise "
                          "RLIMIT_NOFILE (ulimit -n)"
                        : "");
  }
  ob__fork_init();
  cq->fork_word = ob__fork_word();
  *out = cq;
  return OB_OK;
}

int ob_cq_fd(const ob_cq *cq) {
  return cq != NULL ? cq->fd : -1;
}

void ob__cq_begin(ob_cq *cq) {
  ob__add_relaxed(&cq->under_way, 1u);
}
void ob__cq_abort(ob_cq *cq) {
  ob__sub_acq_rel(&cq->under_way, 1u);
}

/* If that fails the host has closed the descriptor: its consumer is told when
 * it comes. */
static int signal_fd(const ob_cq *cq) {
  return control(cq, EPOLL_CTL_MOD, EPOLLIN);
}
static int reset_fd(const ob_cq *cq) {
  return control(cq, EPOLL_CTL_MOD, 0);
}

/* On a loop: the request has ended. It is counted out before it is pushed, so
 * that who has taken every record may destroy the queue; `pushing` has
 * ob_cq_destroy wait for the last touch. */
void ob__cq_deliver(ob_request *request) {
  ob__full *full = ob__full_of(request);
  ob_cq *cq = full->cq;
  ob_request *seen = ob__load_relaxed(&cq->head);
  ob__request_ref(request); /* the queue's */
  ob__add_relaxed(&cq->pushing, 1u);
#ifndef OB_BREAK_CQ_COUNT
  /* Release: `pushing`, to the acquire in ob_cq_destroy. */
  ob__sub_acq_rel(&cq->under_way, 1u);
#endif
  do {
    full->done.cq_next = seen;
    /* Release: the record, to the exchange in take_all. */
  } while (!ob__cas_weak_acq_rel(&cq->head, &seen, request));
  if (seen == NULL) signal_fd(cq);
#ifdef OB_BREAK_CQ_COUNT
  ob__sub_acq_rel(&cq->under_way, 1u);
#endif
  /* The last touch: it may be destroyed from here on. */
  ob__sub_acq_rel(&cq->pushing, 1u);
}

static int take_all(ob_cq *cq) {
  ob_request *request = ob__xchg_acq_rel(&cq->head, NULL), *next;
  for (; request != NULL; request = next) {
    next = ob__full_of(request)->done.cq_next;
    ob__full_of(request)->done.cq_next = cq->local;
    cq->local = request;
  }
  return cq->local != NULL;
}

int ob_cq_next(ob_cq *cq, ob_cq_record *out) {
  ob_request *request;
  if (cq == NULL || out == NULL)
    return ob__fail(OB_EINVAL, "ob_cq_next: %s is NULL",
                    cq == NULL ? "queue" : "out");
  if (cq->fork_word != ob__fork_word()) /* its descriptor is shared */
    return ob__fail(OB_EFORKED, "ob_cq_next: the queue is the parent's");
  if (cq->local == NULL && !take_all(cq)) {
    int rc = reset_fd(cq);
    if (!take_all(cq)) {
      if (rc == 0) return OB_EAGAIN;
      return ob__fail(OB_EBROKEN,
                      "ob_cq_next: the host has closed the queue's descriptor, "
                      "which will not be readable again; have the calls that "
                      "are under way end, then destroy the queue");
    }
    signal_fd(cq); /* its pusher's signal may be the one just taken */
  }
  request = cq->local;
  cq->local = ob__full_of(request)->done.cq_next;
  out->tag = ob__full_of(request)->done_user;
  out->status = ob__request_status(request, ob__load_acquire(&request->state));
  ob__request_take(request, &out->result);
  ob__request_unref(request);
  return OB_OK;
}

int ob_cq_destroy(ob_cq *cq) {
  ob_cq_record record;
  uint32_t left;
  if (cq == NULL) return OB_OK;
  if (cq->fork_word == ob__fork_word()) {
    left = ob__load_acquire(&cq->under_way);
    if (left != 0)
      return ob__fail(OB_EBUSY, "ob_cq_destroy: %u calls still deliver here",
                      left);
#ifndef OB_BREAK_CQ_PUSHING
    /* A few instructions and a write, on loops: pairs with their release. */
    while (ob__load_acquire(&cq->pushing) != 0) sched_yield();
#endif
  }
  while (ob_cq_next(cq, &record) == OB_OK) ob_result_free(&record.result);
#ifndef OB_BREAK_CQ_CLOSE
  if (ob__fd_known(cq->fd, cq->member))
#endif
  {
    ob__fd_close(cq->fd);
    ob__fd_close(cq->member);
  }
  free(cq);
  return OB_OK;
}
