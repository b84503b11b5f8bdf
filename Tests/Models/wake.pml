/*
 * WAKE: the push list and the loop's sleep (DESIGN.md rules 3 and 4).
 *
 * NP producers push K items each; the loop drains, announces its sleep by a
 * CAS EMPTY -> SLEEPING, polls, takes the announcement back, drains again.
 *
 * Abstracted: items are their list nodes; running one is a check of its
 * number; a batch is unbounded; stopping is stop.pml's, lanes are lane.pml's.
 *
 * Properties
 *   no lost wake-up: the loop leaves poll for good only when all items have
 *     run, so a sleep with work left and no token is an invalid end state;
 *   exactly once and FIFO per producer: assertion in run_item();
 *   at most one eventfd write per sleep: assertion in ring();
 *   no cycle: every execution ends (checked with -DNP, no progress labels).
 *
 * Mutations (spin -D...), and where they must fail
 *   MUT_EARLY_RETURN   uv_async_send: the pusher returns when a relaxed load
 *                      of `pending` says set; the loop clears it by a plain
 *                      store before draining. Passes under SC; fails under TSO
 *                      (the loop's clear is still in its buffer when it looks
 *                      at the queue), so also under PSO, ARM and POWER, where
 *                      the pusher's load may pass its push as well.
 *   MUT_PLAIN_SLEEP    the loop stores a separate flag, then loads head, no
 *                      RMW. Passes under SC; fails under TSO and weaker.
 *   MUT_FLAG_NO_FENCE  the pusher publishes with a store, then loads the flag.
 *                      Passes under SC; fails under TSO and weaker. (A CAS is
 *                      a fence on x86, so the publication is a lane's here.)
 *   MUT_FLAG_HOISTED   the same with a CAS push, the load moved before the
 *                      store of the CAS as LL/SC machines may. Fails anywhere;
 *                      the reordering is written out.
 *   MUT_UV_HOISTED     with UV_DOORBELL (below): the load of `pending` moved
 *                      before the store of the push. Fails anywhere.
 *   MUT_BLIND_WAKE     the loop takes SLEEPING back by a store, not a CAS.
 *                      Fails under SC and TSO.
 *   MUT_KIND_LATE      with TWO_SLEEPS (queue.pml): the kind of sleep is written
 *                      after the announcement. Fails anywhere.
 *   MUT_KIND_EARLY     with TWO_SLEEPS: a pusher reads it before its push. Fails
 *                      anywhere.
 *
 * -DUV_DOORBELL: the winner of the tag rings by uv_async_send, early return and
 * all, instead of a write of its own. Must pass under SC and TSO.
 */
#ifndef NP
#define NP 2
#endif
#ifndef K
#define K 3
#endif
#define TOTAL (NP * K)
#define NT (NP + 1)
#define LOOP NP

#define HEAD 0
#define NNODE TOTAL
#define NODE(p, i) (1 + (p) * K + (i))
#define NEXT(n) (n)
#define FLAG (TOTAL + 1) /* mutations: pending, or asleep */
#define PUBLISHED(p) (TOTAL + 2 + (p)) /* MUT_FLAG_NO_FENCE: items so far */
#ifdef TWO_SLEEPS
#define KIND (TOTAL + 2 + NP)
#define NW (TOTAL + 3 + NP)
#else
#define NW (TOTAL + 2 + NP)
#endif

#ifdef UV_DOORBELL
bool rung; /* libuv clears `pending` only when the eventfd woke it */
#define ON_TOKEN rung = true
#endif

#include "common/memory.pml"
#include "common/queue.pml"

byte done[NP]; /* items run, per producer */
byte ran;

inline run_item(n) {
  SAY("run item %d of producer %d\n", (n - 1) % K, (n - 1) / K);
  assert((n - 1) % K == done[(n - 1) / K]);
  done[(n - 1) / K]++;
  ran++
}

/* Links n and leaves the old head in o, without a wake. */
inline link_only(t, n, o, ok) {
  do
  :: atomic {
       o = LOAD(t, HEAD);
       store(t, NEXT(n), (o == SLEEPING -> EMPTY : o))
     };
     atomic {
       cas(t, HEAD, o, n, ok);
       if
       :: ok -> break
       :: else
       fi
     }
  od
}

/* The same, with the load of the flag that follows it moved up. */
inline link_hoisted(t, n, o, ok, flag) {
  do
  :: atomic {
       o = LOAD(t, HEAD);
       store(t, NEXT(n), (o == SLEEPING -> EMPTY : o))
     };
     flag = LOAD(t, FLAG);
     atomic {
       cas(t, HEAD, o, n, ok);
       if
       :: ok -> break
       :: else
       fi
     }
  od
}

inline submit(p, i, o, ok) {
#if defined(MUT_EARLY_RETURN)
  link_only(p, NODE(p, i), o, ok);
  if
  :: LOAD(p, FLAG) -> skip /* the early return */
  :: else ->
     exchange(p, FLAG, 1, o);
     if
     :: o == 0 -> token = true
     :: else
     fi
  fi
#elif defined(MUT_PLAIN_SLEEP)
  link_only(p, NODE(p, i), o, ok);
  exchange(p, FLAG, 0, o);
  if
  :: o -> token = true
  :: else
  fi
#elif defined(MUT_FLAG_NO_FENCE)
  atomic { store_release(p, PUBLISHED(p), i + 1) };
  if
  :: LOAD(p, FLAG) -> token = true
  :: else
  fi
#elif defined(MUT_FLAG_HOISTED)
  link_hoisted(p, NODE(p, i), o, ok, flag);
  if
  :: flag -> token = true
  :: else
  fi
#elif defined(UV_DOORBELL)
#ifdef MUT_UV_HOISTED
  link_hoisted(p, NODE(p, i), o, ok, flag);
#else
  link_only(p, NODE(p, i), o, ok);
  flag = LOAD(p, FLAG);
#endif
  if
  :: o == SLEEPING && !flag ->
     exchange(p, FLAG, 1, o);
     if
     :: o == 0 -> token = true
     :: else
     fi
  :: else
  fi
#else
#ifdef MUT_KIND_EARLY
  kind = LOAD(p, KIND);
#endif
  push(p, NODE(p, i), o, ok);
  assert(ok)
#endif
}

proctype producer(byte p) {
  byte i, o;
  bool ok;
#if defined(MUT_FLAG_HOISTED) || defined(UV_DOORBELL)
  bool flag;
#endif
#ifdef MUT_KIND_EARLY
  byte kind;
#endif
  do
  :: i < K -> submit(p, i, o, ok); i++
  :: else -> break
  od
}

/* Everything that head holds, oldest first. The nodes are the loop's own, so
   grabbing and running them is one step. */
inline run_all(list, n, nx) {
  atomic {
    grab(list, n, nx);
    do
    :: list != EMPTY ->
       d_step {
         run_item(list);
         linked[list] = false;
         n = list;
         list = mem[NEXT(n)];
         mem[NEXT(n)] = 0;
         n = 0
       }
    :: else -> break
    od
  }
}

inline drain(list, n, nx) {
#ifdef MUT_FLAG_NO_FENCE
  n = 0;
  do
  :: n < NP ->
     d_step {
       nx = LOAD(LOOP, PUBLISHED(n));
       do
       :: done[n] < nx -> run_item(NODE(n, done[n]))
       :: else -> break
       od;
       n++
     }
  :: else -> break
  od;
  n = 0;
  nx = 0
#else
  if
  :: LOAD(LOOP, HEAD) != EMPTY -> run_all(list, n, nx)
  :: else
  fi
#endif
}

#ifdef MUT_FLAG_NO_FENCE
#define QUEUE_EMPTY \
  (LOAD(LOOP, PUBLISHED(0)) == done[0] && LOAD(LOOP, PUBLISHED(1)) == done[1])
#else
#define QUEUE_EMPTY (LOAD(LOOP, HEAD) == EMPTY)
#endif

#ifdef TWO_SLEEPS
/* Any handler may have been the first to ask for libuv's loop. */
inline lend_or_not() {
  if
  :: atomic { !lent -> lent = true; store(LOOP, KIND, 1) }
  :: skip
  fi
}
#endif

/* ok: the loop may enter poll. */
inline fall_asleep(ok) {
#if defined(MUT_EARLY_RETURN)
  ok = true /* libuv never announces: `pending` decides alone */
#elif defined(MUT_PLAIN_SLEEP)
  atomic { store(LOOP, FLAG, 1) };
  ok = QUEUE_EMPTY
#elif defined(MUT_FLAG_NO_FENCE) || defined(MUT_FLAG_HOISTED)
  exchange(LOOP, FLAG, 1, n);
  n = 0;
  ok = QUEUE_EMPTY
#elif defined(MUT_KIND_LATE)
  announce(ok);
  lend_or_not()
#else
#ifdef TWO_SLEEPS
  lend_or_not();
#endif
  announce(ok)
#endif
}

inline wake_up(ok) {
#if defined(MUT_EARLY_RETURN) || defined(MUT_PLAIN_SLEEP)
  atomic { store(LOOP, FLAG, 0) }
#elif defined(MUT_FLAG_NO_FENCE) || defined(MUT_FLAG_HOISTED)
  exchange(LOOP, FLAG, 0, n);
  n = 0
#elif defined(UV_DOORBELL)
  if
  :: rung -> rung = false; exchange(LOOP, FLAG, 0, n); n = 0
  :: else
  fi;
  unannounce(ok)
#elif defined(MUT_BLIND_WAKE)
  atomic { store(LOOP, HEAD, EMPTY) }
#else
  unannounce(ok)
#endif
}

proctype loop() {
  byte list, n, nx;
  bool ok;
  do
  :: drain(list, n, nx);
     fall_asleep(ok);
     if
     :: ok ->
        poll(ran == TOTAL);
        wake_up(ok)
     :: else
     fi
  od
}

init {
  byte p;
  atomic {
    do
    :: p < NP -> run producer(p); p++
    :: else -> break
    od;
    run loop()
  }
}
