/* Vyukov's queue of many producers and one consumer: an exchange and a store to
 * push, no RMW to pop but at the end. A producer that is interrupted between
 * the two holds up the consumer, which sees an empty queue until it goes on. */
#include "queue.h"

typedef struct node {
  struct node *next; /* atomic */
  void *item;
} node;

typedef struct queue {
  LINE node *head; /* atomic: producers exchange it */
  LINE node *tail; /* consumer; an empty node in front */
} queue;

static node *new_node(void *item) {
  node *n = malloc(sizeof *n);
  if (n == NULL) bench_fail("out of memory");
  n->next = NULL;
  n->item = item;
  return n;
}

static void *start(void) {
  queue *q = queue_alloc(sizeof *q);
  q->head = q->tail = new_node(NULL);
  return q;
}

static void stop(void *ctx) {
  queue *q = ctx;
  free(q->tail);
  free(q);
}

static void push(void *ctx, void *item) {
  queue *q = ctx;
  node *n = new_node(item), *before;
  before = __atomic_exchange_n(&q->head, n, __ATOMIC_ACQ_REL);
  __atomic_store_n(&before->next, n, __ATOMIC_RELEASE);
}

static void *pop(void *ctx) {
  queue *q = ctx;
  node *old = q->tail, *n = __atomic_load_n(&old->next, __ATOMIC_ACQUIRE);
  if (n == NULL) return NULL;
  q->tail = n;
  free(old);
  return n->item;
}

const bench_system bench_subject = {
    .name = "queue-vyukov",
    .start = start,
    .stop = stop,
    .push = push,
    .pop = pop,
};
