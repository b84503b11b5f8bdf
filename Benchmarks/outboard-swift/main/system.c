/* Fills the interface from the Swift files above. */
#include "bench.h"

void *outboard_swift_start(void);
void outboard_swift_stop(void *ctx);
int outboard_swift_sync(void *ctx, int x);
void outboard_swift_post(void *ctx, uint64_t *count);
void outboard_swift_submit(void *ctx, int x, bench_done done, void *arg);
int outboard_swift_await(void *ctx, const char *from, int tasks);

const bench_system bench_subject = {
    .name = "outboard-swift",
    .start = outboard_swift_start,
    .stop = outboard_swift_stop,
    .sync = outboard_swift_sync,
    .post = outboard_swift_post,
    .submit = outboard_swift_submit,
    .await = outboard_swift_await,
};
