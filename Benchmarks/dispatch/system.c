/* Fills the interface from Dispatch.swift, which says why that is fair. */
#include "bench.h"

void *dispatch_start(void);
void dispatch_stop(void *ctx);
int dispatch_sync_call(void *ctx, int x);
void dispatch_post(void *ctx, uint64_t *count);
void dispatch_submit(void *ctx, int x, bench_done done, void *arg);
int dispatch_offload(void *ctx, int x);

const bench_system bench_subject = {
    .name = "dispatch",
    .flags = BENCH_NO_PIN,
    .start = dispatch_start,
    .stop = dispatch_stop,
    .sync = dispatch_sync_call,
    .post = dispatch_post,
    .submit = dispatch_submit,
    .offload = dispatch_offload,
};
