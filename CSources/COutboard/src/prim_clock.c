/* Clock, timed condition waits and the processor number: the parts of prim.h
 * that both variants share. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "internal.h"

uint64_t ob__now(void) {
  struct timespec ts;
#ifndef OB_BREAK_CLOCK
  clock_gettime(CLOCK_MONOTONIC, &ts);
#else
  clock_gettime(CLOCK_REALTIME, &ts);
#endif
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t ob__deadline(uint64_t relative) {
  uint64_t now;
  if (relative == OB_FOREVER) return OB_FOREVER;
  now = ob__now();
  return relative < OB_FOREVER - now ? now + relative : OB_FOREVER;
}

int ob__cond_init(pthread_cond_t *cond) {
  pthread_condattr_t attr;
  int rc = pthread_condattr_init(&attr);
  if (rc != 0) return rc;
#ifndef OB_BREAK_COND_CLOCK
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
#endif
  rc = pthread_cond_init(cond, &attr);
  pthread_condattr_destroy(&attr);
  return rc;
}

int ob__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                  uint64_t deadline) {
  struct timespec ts;
  int rc, old;
  /* A condition wait is a cancellation point; ours take effect on return. */
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
  if (deadline == OB_FOREVER) {
    rc = pthread_cond_wait(cond, mutex);
  } else {
    ts.tv_sec = (time_t)(deadline / 1000000000u);
    ts.tv_nsec = (long)(deadline % 1000000000u);
    rc = pthread_cond_timedwait(cond, mutex, &ts);
  }
  pthread_setcancelstate(old, NULL);
  return rc == ETIMEDOUT ? OB_ETIMEDOUT : OB_OK;
}

int ob__cpu(void) {
#ifdef __linux__
  return sched_getcpu(); /* a thread-local load with rseq */
#else
  return -1;
#endif
}
