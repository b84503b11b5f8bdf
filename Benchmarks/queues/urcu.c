/* liburcu's wfcqueue: wait-free push, and a consumer that splices everything
 * into a queue of its own, as its documentation advises. */
#include <urcu/wfcqueue.h>

#include "queue.h"

typedef struct node {
  struct cds_wfcq_node link; /* first */
  void *item;
} node;

typedef struct queue {
  LINE struct cds_wfcq_head head;
  LINE struct cds_wfcq_tail tail;
  LINE struct cds_wfcq_head own_head; /* consumer */
  struct cds_wfcq_tail own_tail;
} queue;

static void *start(void) {
  queue *q = queue_alloc(sizeof *q);
  cds_wfcq_init(&q->head, &q->tail);
  cds_wfcq_init(&q->own_head, &q->own_tail);
  return q;
}

static void stop(void *ctx) {
  free(ctx);
}

static void push(void *ctx, void *item) {
  queue *q = ctx;
  node *n = malloc(sizeof *n);
  if (n == NULL) bench_fail("out of memory");
  cds_wfcq_node_init(&n->link);
  n->item = item;
  cds_wfcq_enqueue(&q->head, &q->tail, &n->link);
}

static void *pop(void *ctx) {
  queue *q = ctx;
  struct cds_wfcq_node *link;
  void *item;
  if (cds_wfcq_empty(&q->own_head, &q->own_tail))
    __cds_wfcq_splice_blocking(&q->own_head, &q->own_tail, &q->head, &q->tail);
  link = __cds_wfcq_dequeue_blocking(&q->own_head, &q->own_tail);
  if (link == NULL) return NULL;
  item = ((node *)link)->item;
  free(link);
  return item;
}

const bench_system bench_subject = {
    .name = "queue-urcu",
    .start = start,
    .stop = stop,
    .push = push,
    .pop = pop,
};
