/* Concurrency Kit's ring for many producers and one consumer: bounded, no
 * allocation. A producer that meets a full ring yields its CPU. */
#include <ck_ring.h>
#include <sched.h>

#include "queue.h"

#define SLOTS 65536u

typedef struct queue {
  LINE ck_ring_t ring;
  LINE ck_ring_buffer_t slots[SLOTS];
} queue;

static void *start(void) {
  queue *q = queue_alloc(sizeof *q);
  ck_ring_init(&q->ring, SLOTS);
  return q;
}

static void stop(void *ctx) {
  free(ctx);
}

static void push(void *ctx, void *item) {
  queue *q = ctx;
  while (!ck_ring_enqueue_mpsc(&q->ring, q->slots, item)) sched_yield();
}

static void *pop(void *ctx) {
  queue *q = ctx;
  void *item;
  return ck_ring_dequeue_mpsc(&q->ring, q->slots, &item) ? item : NULL;
}

const bench_system bench_subject = {
    .name = "queue-ck",
    .start = start,
    .stop = stop,
    .push = push,
    .pop = pop,
};
