/* A mutex around a list: the queue that one writes first. The consumer takes
 * the whole list at once, which is the best that can be done with it. */
#include <pthread.h>

#include "queue.h"

typedef struct node {
  struct node *next;
  void *item;
} node;

typedef struct queue {
  pthread_mutex_t mutex; /* protects first and last */
  node *first, **last;
  LINE node *taken; /* consumer */
} queue;

static void *start(void) {
  queue *q = queue_alloc(sizeof *q);
  pthread_mutex_init(&q->mutex, NULL);
  q->first = q->taken = NULL;
  q->last = &q->first;
  return q;
}

static void stop(void *ctx) {
  free(ctx);
}

static void push(void *ctx, void *item) {
  queue *q = ctx;
  node *n = malloc(sizeof *n);
  if (n == NULL) bench_fail("out of memory");
  n->next = NULL;
  n->item = item;
  pthread_mutex_lock(&q->mutex);
  *q->last = n;
  q->last = &n->next;
  pthread_mutex_unlock(&q->mutex);
}

static void take_all(queue *q) {
  pthread_mutex_lock(&q->mutex);
  q->taken = q->first;
  q->first = NULL;
  q->last = &q->first;
  pthread_mutex_unlock(&q->mutex);
}

static void *pop(void *ctx) {
  queue *q = ctx;
  node *n;
  void *item;
  if (q->taken == NULL) take_all(q);
  n = q->taken;
  if (n == NULL) return NULL;
  q->taken = n->next;
  item = n->item;
  free(n);
  return item;
}

const bench_system bench_subject = {
    .name = "queue-mutex",
    .start = start,
    .stop = stop,
    .push = push,
    .pop = pop,
};
