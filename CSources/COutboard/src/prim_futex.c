/* Parking and locks on Linux futexes. The raw system call is not a
 * cancellation point, which a blocked call must not be. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "internal.h"

#ifndef OB_PRIM_CONDVAR

#include <limits.h>
#include <linux/futex.h>
#include <stdalign.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* errno is left as it was: a wait or wake must not change the host's. */
#include <errno.h>

static void futex_wait(uint32_t *word, uint32_t value, uint64_t deadline,
                       uint32_t bits) {
  int saved = errno;
  struct timespec ts, *timeout = NULL;
  if (deadline != OB_FOREVER) {
    ts.tv_sec = (time_t)(deadline / 1000000000u);
    ts.tv_nsec = (long)(deadline % 1000000000u);
    timeout = &ts;
  }
  /* The bitset form takes an absolute CLOCK_MONOTONIC time. */
  syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value,
          timeout, NULL, bits);
  errno = saved;
}

static void futex_wake(uint32_t *word, int count, uint32_t bits) {
  int saved = errno;
  syscall(SYS_futex, word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, count, NULL,
          NULL, bits);
  errno = saved;
}

/* --- Parkers ----------------------------------------------------------------
 *
 * Parkers sleep 32 to a word, a bit each, so that one system call wakes all
 * that a batch has answered: none of them runs, and pushes, before the last is
 * runnable (16 callers parked: 1.8 times the calls that one call each wakes).
 * Words and parkers live as long as the process. Who shares a bit, beyond
 * WORDS * 32 threads, is woken for nothing now and then. */

#define WORDS 64
#define APART 16 /* more, for loops */
#define BITS 32

static struct {
  alignas(OB_LINE) uint32_t wakes; /* counted by wakers, before they wake */
} words[WORDS + APART];
static uint32_t last_parker, last_apart;

void ob__parker_init(ob__parker *parker) {
  uint32_t number = ob__add_relaxed(&last_parker, 1u);
  ob__store_relaxed(&parker->token, 0u);
  parker->word = number / BITS % WORDS;
  parker->bit = UINT32_C(1) << number % BITS;
}

/* A word each for the first loops. */
void ob__parker_init_apart(ob__parker *parker) {
  uint32_t number = ob__add_relaxed(&last_apart, 1u);
  ob__store_relaxed(&parker->token, 0u);
  parker->word = WORDS + number % APART;
  parker->bit = UINT32_C(1) << number / APART % BITS;
}

void ob__park(ob__parker *parker, uint64_t deadline) {
  uint32_t *wakes = &words[parker->word].wakes;
  /* Before the token: whoever sets it afterwards counts afterwards, and the
   * wait finds another number or is in the queue that is woken. */
  uint32_t seen = ob__load_acquire(wakes);
  /* Pairs with the exchange in give_token. */
  if (ob__xchg_acq_rel(&parker->token, 0u) != 0) return;
#ifdef OB_BREAK_PARK
  seen = ob__load_acquire(wakes);
#endif
  futex_wait(wakes, seen, deadline, parker->bit);
  ob__xchg_acq_rel(&parker->token, 0u);
}

/* 1 when it may sleep. Pairs with the exchange in ob__park. Whoever finds the
 * token there already knows that another wake-up has been sent. */
static int give_token(ob__parker *parker) {
  return ob__xchg_acq_rel(&parker->token, 1u) == 0;
}

/* Relaxed: the exchange before it keeps the count behind the tokens. */
static void wake_bits(uint32_t word, uint32_t bits) {
  ob__add_relaxed(&words[word].wakes, 1u);
  futex_wake(&words[word].wakes, INT_MAX, bits);
}

void ob__unpark(ob__parker *parker) {
  if (give_token(parker)) wake_bits(parker->word, parker->bit);
}

void ob__unpark_now(ob__parker *parker) {
  give_token(parker);
  wake_bits(parker->word, parker->bit);
}

void ob__unpark_all(ob__parker *const *parkers, uint32_t count) {
  uint32_t i, word = 0, bits = 0;
  for (i = 0; i < count; i++) {
    if (!give_token(parkers[i])) continue;
    if (bits != 0 && parkers[i]->word != word) {
      wake_bits(word, bits);
      bits = 0;
    }
    word = parkers[i]->word;
    bits |= parkers[i]->bit;
  }
  if (bits != 0) wake_bits(word, bits);
}

/* --- Locks ------------------------------------------------------------------
 */

void ob__lock_init(ob__lock *lock) {
  ob__store_relaxed(&lock->word, 0u);
}

void ob__lock_take(ob__lock *lock) {
  uint32_t seen = 0;
  if (OB_LIKELY(ob__cas_acq_rel(&lock->word, &seen, 1u))) return;
  while (ob__xchg_acq_rel(&lock->word, 2u) != 0)
    futex_wait(&lock->word, 2, OB_FOREVER, FUTEX_BITSET_MATCH_ANY);
}

void ob__lock_give(ob__lock *lock) {
  if (ob__xchg_acq_rel(&lock->word, 0u) == 2)
    futex_wake(&lock->word, 1, FUTEX_BITSET_MATCH_ANY);
}

#endif
