/* A stream's state, without locks, threads or an engine.
 *
 * Each step changes the state and says in *todo what its caller is to do:
 *
 *   step   by whom              in which state       becomes, and todo
 *   ------ -------------------- -------------------- --------------------------
 *   emit   producer             OVER, CANCEL         refused
 *                               full                 WANTS_ROOM; or drops one
 *                               else                 an item more; READY if it
 *                                                    is the first; TELL if
 *                                                    ARMED
 *   end    producer             OVER                 refused
 *                               else                 OVER|ENDED; READY, TELL;
 *                                                    ROOM if it was wanted
 *   close  engine: deadline,    ENDED                CANCEL
 *          stop, cancel         else                 ENDED|CANCEL; READY, TELL,
 *                                                    ROOM
 *   next   consumer             has items            an item less; QUIET if it
 *                                                    was the last; ROOM if half
 *                                                    is free and it was wanted
 *                               ENDED                the status
 *                               else                 ARMED
 *   leave  consumer             any                  LEFT|CANCEL; ROOM
 *
 * The first of end and close decides the status. After leave the items are the
 * leaver's, since nobody else takes any or puts any in. */
#ifndef OB_FLOW_H
#define OB_FLOW_H

#include "outboard.h"

/* State. */
#define OB__FLOW_OVER 0x01u   /* the producer has ended */
#define OB__FLOW_ENDED 0x02u  /* no item comes any more; status holds */
#define OB__FLOW_CANCEL 0x04u /* the producer is to end */
#define OB__FLOW_LEFT 0x08u   /* the consumer has left */
#define OB__FLOW_WANTS_ROOM                                              \
  0x10u                       /* an emit was refused since the last ROOM \
                               */
#define OB__FLOW_ARMED 0x20u  /* empty when the consumer last looked */
#define OB__FLOW_LATEST 0x40u /* a full one drops its oldest */

/* What is to be done. */
#define OB__TODO_READY 0x01u /* who waits for an item or the end, goes on */
#define OB__TODO_QUIET 0x02u /* who comes from now on, waits */
#define OB__TODO_TELL 0x04u  /* on_ready is to run */
#define OB__TODO_ROOM 0x08u  /* who waits for room, goes on */

typedef struct ob__flow {
  ob_result *ring;
  uint32_t capacity, first, count;
  uint32_t state;
  int32_t status; /* once ENDED */
} ob__flow;

void ob__flow_init(ob__flow *flow, ob_result *ring, uint32_t capacity,
                   uint32_t state);
/* *dropped, empty before, is for the caller to free. */
int ob__flow_emit(ob__flow *flow, ob_result *item, ob_result *dropped,
                  uint32_t *todo);
int ob__flow_end(ob__flow *flow, int status, uint32_t *todo);
void ob__flow_close(ob__flow *flow, int status, uint32_t *todo);
int ob__flow_next(ob__flow *flow, ob_result *out, int *status, uint32_t *todo);
void ob__flow_leave(ob__flow *flow, uint32_t *todo);
/* After leave: the items, one by one; 0 when there is none. */
int ob__flow_drain(ob__flow *flow, ob_result *out);

/* Whether an emit would be refused for want of room. */
static inline int ob__flow_full(const ob__flow *flow) {
  return flow->count == flow->capacity &&
         !(flow->state & (OB__FLOW_CANCEL | OB__FLOW_OVER | OB__FLOW_LATEST));
}

#endif
