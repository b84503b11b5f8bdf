/* What the queues here share: a node per item from malloc, as a user of an
 * intrusive queue without a pool of its own would have it. */
#ifndef BENCH_QUEUE_H
#define BENCH_QUEUE_H

#include <stdlib.h>

#include "bench.h"

#define LINE _Alignas(128)

static inline void *queue_alloc(size_t size) {
  void *data = aligned_alloc(128, (size + 127) / 128 * 128);
  if (data == NULL) bench_fail("out of memory");
  return data;
}

#endif
