/* Fills the interface from Actor.swift, which says why that is fair. */
#include "bench.h"

void *actor_start(void);
void actor_stop(void *ctx);
int actor_await(void *ctx, const char *from, int tasks);

const bench_system bench_subject = {
    .name = "actor",
    .flags = BENCH_NO_PIN,
    .start = actor_start,
    .stop = actor_stop,
    .await = actor_await,
};
