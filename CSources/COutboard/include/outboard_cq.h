/* Outboard: completions for a host with a loop of its own. Included by
 * outboard.h. */
#ifndef OUTBOARD_CQ_H
#define OUTBOARD_CQ_H

#include "outboard_call.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A queue of ended calls with a descriptor that is readable while it holds
 * any. Submit with opts.cq set, watch ob_cq_fd for reading, and take records
 * by ob_cq_next until OB_EAGAIN. */

typedef struct ob_cq_record {
  void *tag;        /* done_user of the call */
  int status;       /* of the call */
  ob_result result; /* yours: ob_result_free */
} ob_cq_record;

/* Makes a queue; the caller owns it. It takes two descriptors. OB_EINVAL,
 * OB_ENOMEM, OB_ESYSTEM. */
OB_API int ob_cq_create(ob_cq **out);

/* The descriptor, for poll, select, epoll and the like: close-on-exec and
 * level-triggered. Do not read, write or close it. -1 for NULL. */
OB_API int ob_cq_fd(const ob_cq *cq);

/* Takes the oldest record. OB_EAGAIN when there is none: the descriptor is
 * then quiet until the next one arrives. OB_EBROKEN in its place when the host
 * has closed the descriptor: records still come, but nothing tells of them. One
 * thread at a time. OB_EINVAL; OB_EFORKED in a fork child. */
OB_API int ob_cq_next(ob_cq *cq, ob_cq_record *out);

/* Frees the queue and the results left in it. OB_EBUSY while calls are under
 * way that deliver here; nothing is freed then. NULL is allowed. */
OB_API int ob_cq_destroy(ob_cq *cq);

#ifdef __cplusplus
}
#endif

#endif
