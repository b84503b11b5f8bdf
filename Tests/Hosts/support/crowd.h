/* Threads of a host in C, for hosts of this folder. */
#ifndef CROWD_H
#define CROWD_H

#include "caller.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs body(arg, thread) on so many threads and waits for all of them. */
typedef void (*crowd_body)(void *arg, unsigned thread);
void crowd(unsigned threads, crowd_body body, void *arg);

/* The same without waiting until crowd_end. */
struct crowd;
struct crowd *crowd_begin(unsigned threads, crowd_body body, void *arg);
void crowd_end(struct crowd *crowd);

/* Returns when clock's engine holds so many calls more than `before`. */
void await_submitted(const struct caller *clock, int64_t before,
                     unsigned waits);

#ifdef __cplusplus
}
#endif

#endif
