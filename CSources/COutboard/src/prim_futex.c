/* Parking and locks on Linux futexes. The raw system call is not a
 * cancellation point, which a blocked call must not be. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "internal.h"

#ifndef OB_PRIM_CONDVAR

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* errno is left as it was: a wait or wake must not change the host's. */
#include <errno.h>

static void futex_wait(uint32_t *word, uint32_t value, uint64_t deadline) {
  int saved = errno;
  struct timespec ts, *timeout = NULL;
  if (deadline != OB_FOREVER) {
    ts.tv_sec = (time_t)(deadline / 1000000000u);
    ts.tv_nsec = (long)(deadline % 1000000000u);
    timeout = &ts;
  }
  /* The bitset form takes an absolute CLOCK_MONOTONIC time. */
  syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, value,
          timeout, NULL, FUTEX_BITSET_MATCH_ANY);
  errno = saved;
}

static void futex_wake(uint32_t *word, int count) {
  int saved = errno;
  syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL,
          0);
  errno = saved;
}

void ob__parker_init(ob__parker *parker) {
  ob__store_relaxed(&parker->token, 0u);
}

void ob__park(ob__parker *parker, uint64_t deadline) {
  /* Pairs with the exchange in ob__unpark. */
  if (ob__xchg_acq_rel(&parker->token, 0u) != 0) return;
  futex_wait(&parker->token, 0, deadline);
  ob__xchg_acq_rel(&parker->token, 0u);
}

void ob__unpark(ob__parker *parker) {
  /* Pairs with the exchange in ob__park. Whoever finds the token there already
   * knows that another wake-up has been sent. */
  if (ob__xchg_acq_rel(&parker->token, 1u) == 0) futex_wake(&parker->token, 1);
}

void ob__lock_init(ob__lock *lock) {
  ob__store_relaxed(&lock->word, 0u);
}

void ob__lock_take(ob__lock *lock) {
  uint32_t seen = 0;
  if (OB_LIKELY(ob__cas_acq_rel(&lock->word, &seen, 1u))) return;
  while (ob__xchg_acq_rel(&lock->word, 2u) != 0)
    futex_wait(&lock->word, 2, OB_FOREVER);
}

void ob__lock_give(ob__lock *lock) {
  if (ob__xchg_acq_rel(&lock->word, 0u) == 2) futex_wake(&lock->word, 1);
}

#endif
