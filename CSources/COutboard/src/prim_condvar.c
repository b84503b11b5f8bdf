/* Parking and locks on a mutex with a condition variable: for systems without
 * futexes, and on Linux for the tests. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "internal.h"

#ifdef OB_PRIM_CONDVAR

void ob__parker_init(ob__parker *parker) {
  pthread_mutex_init(&parker->mutex, NULL);
  ob__cond_init(&parker->cond);
  parker->token = 0;
}

void ob__parker_init_apart(ob__parker *parker) {
  ob__parker_init(parker);
}

void ob__park(ob__parker *parker, uint64_t deadline) {
  pthread_mutex_lock(&parker->mutex);
  while (parker->token == 0 && (deadline == OB_FOREVER || ob__now() < deadline))
    ob__cond_wait(&parker->cond, &parker->mutex, deadline);
  parker->token = 0;
  pthread_mutex_unlock(&parker->mutex);
}

void ob__unpark(ob__parker *parker) {
  pthread_mutex_lock(&parker->mutex);
  parker->token = 1;
  pthread_cond_signal(&parker->cond);
  pthread_mutex_unlock(&parker->mutex);
}

void ob__unpark_now(ob__parker *parker) {
  ob__unpark(parker);
}

void ob__unpark_all(ob__parker *const *parkers, uint32_t count) {
  uint32_t i;
  for (i = 0; i < count; i++) ob__unpark(parkers[i]);
}

void ob__lock_init(ob__lock *lock) {
  pthread_mutex_init(&lock->mutex, NULL);
}
void ob__lock_take(ob__lock *lock) {
  pthread_mutex_lock(&lock->mutex);
}
void ob__lock_give(ob__lock *lock) {
  pthread_mutex_unlock(&lock->mutex);
}

#endif
