/* One interface for every system under measurement. */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct bench_system {
  const char *name;
  void *(*start)(void);
  void (*stop)(void *ctx);
  /* Runs x + 1 on the loop thread and returns it. Blocks. NULL: no such. */
  int (*sync)(void *ctx, int x);
  /* Runs ++*count on the loop thread. Does not wait for it. NULL: no such. */
  void (*post)(void *ctx, uint64_t *count);
} bench_system;

/* Defined once by each system's file. */
extern const bench_system bench_subject;

#endif
