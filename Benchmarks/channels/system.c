/* Fills the interface from lib.rs, which says what is measured and why that is
 * fair. CHANNEL: crossbeam or flume; with QUEUE_ALONE also std. */
#include "bench.h"

#define JOIN(a, b) a##b
#define NAMED(a, b) JOIN(a, b)
#define FN(name) NAMED(CHANNEL, name)
#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)

void *FN(_start)(void);
void FN(_stop)(void *ctx);
int FN(_sync)(void *ctx, int x);
void FN(_post)(void *ctx, uint64_t *count);
void FN(_submit)(void *ctx, int x, bench_done done, void *arg);
void *FN(_queue_start)(void);
void FN(_queue_stop)(void *ctx);
void FN(_push)(void *ctx, void *item);
void *FN(_pop)(void *ctx);

const bench_system bench_subject = {
#ifdef QUEUE_ALONE
    .name = "queue-" TEXT_OF(CHANNEL),
    .start = FN(_queue_start),
    .stop = FN(_queue_stop),
    .push = FN(_push),
    .pop = FN(_pop),
#else
    .name = TEXT_OF(CHANNEL),
    .start = FN(_start),
    .stop = FN(_stop),
    .sync = FN(_sync),
    .post = FN(_post),
    .submit = FN(_submit),
#endif
};
