/* The steps of a stream: see flow.h.
 *
 * A producer that was refused is told when half of the ring is free, not at the
 * first free place: so two sides in step wake each other once in half a ring,
 * in place of at every item (the low-water mark of flow control). */
#include "flow.h"

void ob__flow_init(ob__flow *flow, ob_result *ring, uint32_t capacity,
                   uint32_t state) {
  flow->ring = ring;
  flow->capacity = capacity;
  flow->first = flow->count = 0;
  flow->state = state | OB__FLOW_ARMED;
  flow->status = OB_OK;
}

static ob_result take_first(ob__flow *flow) {
  ob_result item = flow->ring[flow->first];
  flow->first = flow->first + 1 == flow->capacity ? 0 : flow->first + 1;
  flow->count--;
  return item;
}

static void put_last(ob__flow *flow, const ob_result *item) {
  uint32_t at = flow->first + flow->count; /* capacity is far below 2^31 */
  flow->ring[at < flow->capacity ? at : at - flow->capacity] = *item;
  flow->count++;
}

/* Something to see for a consumer that found nothing. */
static uint32_t announce(ob__flow *flow) {
  uint32_t tell = flow->state & OB__FLOW_ARMED ? OB__TODO_TELL : 0;
  flow->state &= ~OB__FLOW_ARMED;
  return tell;
}

int ob__flow_emit(ob__flow *flow, ob_result *item, ob_result *dropped,
                  uint32_t *todo) {
  *todo = 0;
  if (flow->state & OB__FLOW_OVER) return OB_EALREADY;
#ifndef OB_BREAK_LEFT
  if (flow->state & OB__FLOW_CANCEL) return OB_ECANCELED;
#endif
  if (flow->count == flow->capacity) {
    if (!(flow->state & OB__FLOW_LATEST)) {
      flow->state |= OB__FLOW_WANTS_ROOM;
      return OB_EAGAIN;
    }
    *dropped = take_first(flow);
  }
  put_last(flow, item);
  *item = ob_result_none();
  if (flow->count == 1) *todo |= OB__TODO_READY;
  *todo |= announce(flow);
  return OB_OK;
}

static void finish(ob__flow *flow, int status, uint32_t *todo) {
  flow->state |= OB__FLOW_ENDED;
  flow->status = status;
  *todo |= OB__TODO_READY | announce(flow);
}

int ob__flow_end(ob__flow *flow, int status, uint32_t *todo) {
  *todo = 0;
  if (flow->state & OB__FLOW_OVER) return OB_EALREADY;
  flow->state |= OB__FLOW_OVER;
  if (flow->state & OB__FLOW_WANTS_ROOM) *todo |= OB__TODO_ROOM;
  if (flow->state & OB__FLOW_ENDED) return OB_ECANCELED;
  finish(flow, status, todo);
  return flow->state & OB__FLOW_LEFT ? OB_ECANCELED : OB_OK;
}

/* What a producer that is cancelled must hear of, if it waits. */
static uint32_t cancel(ob__flow *flow) {
  uint32_t fresh = ~flow->state & OB__FLOW_CANCEL;
  flow->state |= OB__FLOW_CANCEL;
  return fresh ? OB__TODO_ROOM : 0;
}

void ob__flow_close(ob__flow *flow, int status, uint32_t *todo) {
  *todo = 0;
  if (!(flow->state & OB__FLOW_ENDED)) finish(flow, status, todo);
  *todo |= cancel(flow);
}

int ob__flow_next(ob__flow *flow, ob_result *out, int *status, uint32_t *todo) {
  *todo = 0;
  if (flow->count == 0) {
    if (!(flow->state & OB__FLOW_ENDED)) {
      flow->state |= OB__FLOW_ARMED;
      return OB_EAGAIN;
    }
    if (status != NULL) *status = flow->status;
    return OB_EEND;
  }
  *out = take_first(flow);
  if (flow->count == 0 && !(flow->state & OB__FLOW_ENDED))
    *todo |= OB__TODO_QUIET;
  if ((flow->state & OB__FLOW_WANTS_ROOM) &&
      flow->count <= flow->capacity / 2) {
    flow->state &= ~OB__FLOW_WANTS_ROOM;
    if (!(flow->state & (OB__FLOW_CANCEL | OB__FLOW_OVER)))
      *todo |= OB__TODO_ROOM;
  }
  return OB_OK;
}

void ob__flow_leave(ob__flow *flow, uint32_t *todo) {
  flow->state |= OB__FLOW_LEFT;
  *todo = cancel(flow);
}

int ob__flow_drain(ob__flow *flow, ob_result *out) {
  if (flow->count == 0) return 0;
  *out = take_first(flow);
  return 1;
}
