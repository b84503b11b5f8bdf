/* What differs between operating systems: clock, parking, locks.
 *
 * Two variants behind one interface: Linux futexes (prim_futex.c) and a mutex
 * with a condition variable (prim_condvar.c, chosen by OB_PRIM_CONDVAR). Both
 * are compiled and tested. */
#ifndef OB_PRIM_H
#define OB_PRIM_H

#include <pthread.h>
#include <stdint.h>

#if !defined(__linux__) && !defined(OB_PRIM_CONDVAR)
#define OB_PRIM_CONDVAR 1
#endif

/* Where one thread sleeps. Tokens do not add up; spurious returns of park are
 * part of the contract, for a parker is recycled while a late unpark may be on
 * its way. */
typedef struct ob__parker {
#ifdef OB_PRIM_CONDVAR
  pthread_mutex_t mutex;
  pthread_cond_t cond;
#endif
  uint32_t token; /* 1: an unpark not yet seen; any thread, by exchange */
#ifndef OB_PRIM_CONDVAR
  uint32_t word, bit; /* where it sleeps; set once */
#endif
} ob__parker;

/* A lock of few bytes for short critical sections that may be contended. */
typedef struct ob__lock {
#ifdef OB_PRIM_CONDVAR
  pthread_mutex_t mutex;
#else
  uint32_t word; /* 0 free, 1 held, 2 held with sleepers */
#endif
} ob__lock;

void ob__parker_init(ob__parker *parker);
/* For a thread of ours, whose wakers must not disturb those who call. */
void ob__parker_init_apart(ob__parker *parker);
/* Sleeps until a token or the absolute deadline; takes the token. */
void ob__park(ob__parker *parker, uint64_t deadline);
void ob__unpark(ob__parker *parker);
/* The same, not trusting a wake-up that another thread is about to make. */
void ob__unpark_now(ob__parker *parker);
/* The same for several, with as few system calls as can be. */
void ob__unpark_all(ob__parker *const *parkers, uint32_t count);

void ob__lock_init(ob__lock *lock);
void ob__lock_take(ob__lock *lock);
void ob__lock_give(ob__lock *lock);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t ob__now(void);
/* now + relative, saturating at OB_FOREVER. */
uint64_t ob__deadline(uint64_t relative);
/* Waits on cond, made by ob__cond_init, until the absolute deadline. */
int ob__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                  uint64_t deadline);
int ob__cond_init(pthread_cond_t *cond);

/* The processor this thread runs on, or -1. */
int ob__cpu(void);

/* Fetches a line to own it. */
static inline void ob__prefetch_write(const void *at) {
#if defined(__x86_64__)
  __asm__ volatile("prefetchw %0" ::"m"(*(const char *)at));
#else
  __builtin_prefetch(at, 1);
#endif
}

static inline void ob__pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
