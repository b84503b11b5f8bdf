/* Completion queues: ended calls for a host with a loop of its own.
 *
 * The loops push onto a list, taken whole by the consumer; who pushes onto an
 * empty list writes to the eventfd. The consumer resets the descriptor only
 * after it has found the list empty, and looks once more: so the descriptor is
 * readable as long as records are left. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

struct ob_cq {
  ob_request *head;   /* loops push by CAS, the consumer takes by exchange */
  uint32_t under_way; /* atomic: submitted and not yet being pushed */
  uint32_t pushing;   /* atomic: loops inside ob__cq_deliver */
  int fd;
  uint32_t fork_word; /* the process it belongs to */
  ob_request *local;  /* consumer: taken, oldest first */
};

int ob_cq_create(ob_cq **out) {
  ob_cq *cq;
  if (out == NULL) return ob__fail(OB_EINVAL, "ob_cq_create: out is NULL");
  *out = NULL;
  cq = calloc(1, sizeof *cq);
  if (cq == NULL) return ob__fail(OB_ENOMEM, "ob_cq_create: out of memory");
  cq->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (cq->fd < 0) {
    int rc = ob__fail(OB_ESYSTEM, "ob_cq_create: eventfd: %s", strerror(errno));
    free(cq);
    return rc;
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

/* A full counter is readable, too; no other error is to be expected of a
 * descriptor that nobody has closed. */
static void signal_fd(ob_cq *cq) {
  const uint64_t one = 1;
  int saved = errno;
  syscall(SYS_write, cq->fd, &one, sizeof one);
  errno = saved;
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

static void reset_fd(ob_cq *cq) {
  uint64_t count;
  int saved = errno;
  syscall(SYS_read, cq->fd, &count, sizeof count);
  errno = saved;
}

int ob_cq_next(ob_cq *cq, ob_cq_record *out) {
  ob_request *request;
  if (cq == NULL || out == NULL)
    return ob__fail(OB_EINVAL, "ob_cq_next: %s is NULL",
                    cq == NULL ? "queue" : "out");
  if (cq->fork_word != ob__fork_word()) /* its descriptor is shared */
    return ob__fail(OB_EFORKED, "ob_cq_next: the queue is the parent's");
  if (cq->local == NULL && !take_all(cq)) {
    reset_fd(cq);
    if (!take_all(cq)) return OB_EAGAIN;
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
  syscall(SYS_close, cq->fd); /* close would be a cancellation point */
  free(cq);
  return OB_OK;
}
