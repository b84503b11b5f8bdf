/* tokio's unbounded mpsc channel as a queue alone. Its receiver is meant to be
 * awaited; try_recv is what a consumer that never sleeps uses. */
#include "bench.h"

void *tokio_queue_start(void);
void tokio_queue_stop(void *ctx);
void tokio_queue_push(void *ctx, void *item);
void *tokio_queue_pop(void *ctx);

const bench_system bench_subject = {
    .name = "queue-tokio",
    .start = tokio_queue_start,
    .stop = tokio_queue_stop,
    .push = tokio_queue_push,
    .pop = tokio_queue_pop,
};
