/* Fills the interface from lib.rs, which says what is measured and why that is
 * fair. KIND: 0 bridge on the multi-thread runtime, 1 bridge on a
 * current-thread runtime, 2 Handle::spawn. */
#include "bench.h"

void *tokio_start(int kind);
void tokio_stop(void *ctx);
int tokio_sync(void *ctx, int x);
void tokio_post(void *ctx, uint64_t *count);
void tokio_submit(void *ctx, int x, bench_done done, void *arg);
int tokio_offload(void *ctx, int x);
void *tokio_copied(void *ctx, void *data, size_t size);
void tokio_free_bytes(void *data, size_t size);
void tokio_handed(void *ctx, void *data, size_t size);
void tokio_on_loop(void *ctx, bench_task fn, void *arg);
int tokio_echo(void *ctx);
void tokio_timer_open(void *ctx, unsigned count);
void tokio_timer_arm(void *ctx, unsigned slot, unsigned ms);
void tokio_timer_cancel(void *ctx, unsigned slot);
void tokio_timer_close(void *ctx);

static void *start(void) {
  return tokio_start(KIND);
}

static void release(bench_blob *blob) {
  tokio_free_bytes(blob->data, blob->size);
}

static void payload(void *ctx, void *data, size_t size, int handed,
                    bench_blob *answer) {
  answer->data = data;
  answer->size = size;
  if (handed) {
    tokio_handed(ctx, data, size);
    return;
  }
  answer->data = tokio_copied(ctx, data, size);
  answer->release = release;
}

const bench_system bench_subject = {
#if KIND == 0
    .name = "tokio-mt",
#elif KIND == 1
    .name = "tokio-ct",
#else
    .name = "tokio-spawn",
    .flags = BENCH_PARALLEL,
#endif
    .start = start,
    .stop = tokio_stop,
    .sync = tokio_sync,
    .post = tokio_post,
    .submit = tokio_submit,
    .offload = tokio_offload,
    .payload = payload,
    .on_loop = tokio_on_loop,
    .timer_open = tokio_timer_open,
    .timer_arm = tokio_timer_arm,
    .timer_cancel = tokio_timer_cancel,
    .timer_close = tokio_timer_close,
    .echo = tokio_echo,
};
