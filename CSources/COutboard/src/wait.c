/* Waiting: spin, then park, until DONE or a deadline.
 *
 * Nothing here is a cancellation point (the futex is a raw system call), so a
 * cancelled thread unwinds after the call has returned. */
#include "internal.h"

#include <stdlib.h>

void ob__block_begin(ob__thread *self) {
  ob_engine *loop = ob__loop_self();
  if (OB_UNLIKELY(loop != NULL)) ob__wake_flush(loop); /* they are answered */
  if (self->pool != NULL) ob__offload_blocked(self->pool, 1);
}

void ob__block_end(ob__thread *self) {
  if (self->pool != NULL) ob__offload_blocked(self->pool, -1);
#ifdef OB_BREAK_PTHREAD_CANCEL
  pthread_testcancel();
#endif
}

static int is_done(const ob_request *request) {
  return (ob__load_acquire(&request->state) & OB__DONE) != 0;
}

void ob__wait_bare(ob_request *request, ob__thread *self) {
  uint32_t old;
  if (ob__spin_caller(request->engine, self, ob__watch_done(request))) return;
  ob__block_begin(self);
  /* Pairs with the OR in ob__bare_run: one of the two sees the other. */
  old = ob__or_acq_rel(&request->state, OB__WAITERS);
  while (!(old & OB__DONE)) {
    ob__park(&self->parker, OB_FOREVER);
    old = ob__load_acquire(&request->state);
  }
  ob__block_end(self);
}

int ob__wait_request(ob_request *request, uint64_t deadline) {
  ob__thread *self;
  ob__waiter waiter;
  if (is_done(request)) return OB_OK;
  self = ob__thread_self();
  if (self == NULL) return OB_ENOMEM;
  waiter.parker = &self->parker;
  ob__block_begin(self);
  if (ob__waiter_add(request, &waiter)) {
    while (!is_done(request) &&
           (deadline == OB_FOREVER || ob__now() < deadline))
      ob__park(&self->parker, deadline);
    ob__waiter_remove(request, &waiter);
  }
  ob__block_end(self);
  return is_done(request) ? OB_OK : OB_ETIMEDOUT;
}

/* --- Several tickets --------------------------------------------------------
 */

/* Room for this many on the stack; above it one allocation. */
#define ON_STACK 64

typedef struct many {
  ob_ticket *const *tickets;
  ob__waiter *waiters;
  ob_engine **engines;
  size_t count;
  size_t found; /* first that had ended when the wait did; a stream may be
                   emptied by another thread meanwhile */
} many;

/* Index of the first that has ended, or count. */
static size_t first_done(const many *all) {
  size_t i;
  for (i = 0; i < all->count; i++)
    if (is_done(&all->tickets[i]->full.base)) break;
  return i;
}

static int any_done(many *all) {
  all->found = first_done(all);
  return all->found < all->count;
}

static int all_done(const many *all) {
  size_t i;
  for (i = 0; i < all->count; i++)
    if (!is_done(&all->tickets[i]->full.base)) return 0;
  return 1;
}

/* Ends calls whose own deadline has passed, in the loop's place. Returns the
 * earliest deadline to come. */
static uint64_t expire_due(const many *all, uint64_t deadline) {
  uint64_t now = 0, due;
  size_t i;
  for (i = 0; i < all->count; i++) {
    due = all->tickets[i]->full.deadline;
    if (due == OB_FOREVER || is_done(&all->tickets[i]->full.base)) continue;
    if (now == 0) now = ob__now();
    if (due <= now)
      ob__end_early(&all->tickets[i]->full.base, OB__END_TIMEOUT);
    else if (due < deadline)
      deadline = due;
  }
  return deadline;
}

static int wait_many(many *all, int want_all, uint64_t deadline) {
  ob__thread *self = ob__thread_self();
  size_t i;
  int done;
  if (self == NULL) return OB_ENOMEM;
  for (i = 0; i < all->count; i++) {
    all->waiters[i].parker = &self->parker;
    if (!ob__waiter_add(&all->tickets[i]->full.base, &all->waiters[i]))
      all->waiters[i].parker = NULL; /* has ended: nothing to remove */
  }
  ob__block_begin(self);
  for (;;) {
    uint64_t until = expire_due(all, deadline);
    done = want_all ? all_done(all) : any_done(all);
    if (done || (deadline != OB_FOREVER && ob__now() >= deadline)) break;
    ob__park(&self->parker, until);
  }
  ob__block_end(self);
  for (i = 0; i < all->count; i++)
    if (all->waiters[i].parker != NULL)
      ob__waiter_remove(&all->tickets[i]->full.base, &all->waiters[i]);
  return done ? OB_OK : OB_ETIMEDOUT;
}

/* On a loop thread: refuses what would wait for itself. */
static int enter_loop_wait(many *all) {
  ob_engine *self = ob__loop_self();
  size_t i, count = 0;
  if (self == NULL) return OB_OK;
#ifndef OB_BREAK_NEST
  for (i = 0; i < all->count; i++)
    if (all->tickets[i]->full.base.engine == self &&
        !is_done(&all->tickets[i]->full.base))
      return ob__fail(OB_EDEADLK,
                      "waiting on the loop thread of engine \"%s\" for its own "
                      "call would never end; use a completion callback",
                      self->name);
#endif
  /* Of a call that has not ended the engine lives, and the lock keeps it. */
  ob__cycle_lock();
  for (i = 0; i < all->count; i++)
    if (!is_done(&all->tickets[i]->full.base))
      all->engines[count++] = all->tickets[i]->full.base.engine;
  return ob__cycle_enter_locked(all->engines, count, "wait on tickets");
}

#ifndef OB_BREAK_FORK
/* A call of the parent's will never end in a fork child. */
static int check_fork(const many *all) {
  size_t i;
  for (i = 0; i < all->count; i++) {
    const ob__full *full = &all->tickets[i]->full;
    if (!is_done(&full->base) && full->fork_word != ob__fork_word())
      return ob__fail(OB_EFORKED, "wait: the call belongs to the parent");
  }
  return OB_OK;
}
#endif

static int wait_on(many *all, int want_all, uint64_t relative) {
  int rc = OB_OK;
  if (want_all ? all_done(all) : any_done(all)) return OB_OK;
#ifndef OB_BREAK_FORK
  rc = check_fork(all);
#endif
  if (rc == OB_OK) rc = enter_loop_wait(all);
  if (rc != OB_OK) return rc;
  rc = wait_many(all, want_all, ob__deadline(relative));
  if (ob__loop_self() != NULL) ob__cycle_leave();
  if (rc == OB_ETIMEDOUT)
    return ob__fail(rc, "wait: not ended in time; the call goes on");
  return rc;
}

static int wait_tickets(ob_ticket *const *tickets, size_t count, int want_all,
                        uint64_t relative, size_t *index) {
  ob__waiter waiters[ON_STACK];
  ob_engine *engines[ON_STACK];
  many all = {tickets, waiters, engines, count, 0};
  void *memory = NULL;
  size_t i;
  int rc;
  for (i = 0; i < count; i++)
    if (tickets[i] == NULL)
      return ob__fail(OB_EINVAL, "wait: ticket %zu is NULL", i);
  if (count > ON_STACK) {
    memory = malloc(count * (sizeof *waiters + sizeof *engines));
    if (memory == NULL) return ob__fail(OB_ENOMEM, "wait: out of memory");
    all.waiters = memory;
    all.engines = (ob_engine **)(void *)(all.waiters + count);
  }
  rc = wait_on(&all, want_all, relative);
  if (rc == OB_OK && index != NULL) *index = all.found;
  free(memory);
  return rc;
}

int ob_wait_any(ob_ticket *const *tickets, size_t count, uint64_t deadline_ns,
                size_t *index) {
  if (tickets == NULL || count == 0 || index == NULL)
    return ob__fail(OB_EINVAL, "ob_wait_any: %s",
                    count == 0        ? "there is nothing to wait for"
                    : tickets == NULL ? "tickets is NULL"
                                      : "index is NULL");
  return wait_tickets(tickets, count, 0, deadline_ns, index);
}

int ob_wait_all(ob_ticket *const *tickets, size_t count, uint64_t deadline_ns) {
  if (count == 0) return OB_OK;
  if (tickets == NULL)
    return ob__fail(OB_EINVAL, "ob_wait_all: tickets is NULL");
  return wait_tickets(tickets, count, 1, deadline_ns, NULL);
}

int ob__wait_ticket(ob_ticket *ticket, uint64_t relative) {
  return wait_tickets(&ticket, 1, 1, relative, NULL);
}
