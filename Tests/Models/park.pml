/*
 * PARK: sleepers that share a futex word, and wakers that wake several with one
 * call (prim_futex.c).
 *
 * A sleeper waits for each waker in turn. It reads the count of wakes, takes
 * its token, and if there was none sleeps unless the count has changed. A waker
 * tells each sleeper, gives it a token, and remembers its bit if there was
 * none; then it counts once and wakes these bits.
 *
 * Abstracted: the kernel compares and queues in one step, and clears the
 * sleepers of the bits in one step; both are full barriers. What a sleeper
 * waits for is a flag for each waker (waiter.pml has the state word).
 *
 * Properties: everybody returns (invalid end state otherwise). Nobody is woken
 * whose bit was not meant, unless bits are shared (-DSHARED).
 *
 * Mutations, and where they must fail
 *   MUT_SEEN_LATE    the count is read after the token was taken. SC, TSO.
 *   MUT_COUNT_FIRST  the waker counts before it gives the tokens. SC, TSO.
 *   MUT_NO_COUNT     the waker only wakes. SC, TSO.
 *   MUT_LAST_BIT     the waker wakes the last of its bits only. SC, TSO.
 *   MUT_TOLD_LATE    the token is given before the sleeper is told. SC, TSO.
 */
#ifndef WAKERS
#define WAKERS 2
#endif
#define SLEEPERS 2

#define SLEEPER(s) (s)
#define WAKER(w) (SLEEPERS + (w))
#define NT (SLEEPERS + WAKERS)

#define TOLD(s, w) ((s) * WAKERS + (w))
#define TOKEN(s) (SLEEPERS * WAKERS + (s))
#define WAKES (SLEEPERS * WAKERS + SLEEPERS)
#define NW (WAKES + 1)

#ifdef SHARED
#define BIT(s) 1
#else
#define BIT(s) (1 << (s))
#endif

#include "common/memory.pml"

bool asleep[SLEEPERS];

inline count(t) {
  d_step { DRAINED(t) -> mem[WAKES] = mem[WAKES] + 1 }
}

/* FUTEX_WAIT_BITSET */
inline futex_wait(s, seen) {
  d_step {
    DRAINED(SLEEPER(s)) ->
    asleep[s] = (mem[WAKES] == seen);
    SAY("sleeper %d: asleep %d\n", s, asleep[s])
  };
  !asleep[s]
}

/* FUTEX_WAKE_BITSET */
inline futex_wake(t, bits) {
  d_step {
    DRAINED(t) ->
    SAY("thread %d: wakes %d\n", t, bits);
    if
    :: bits & BIT(0) -> asleep[0] = false
    :: else
    fi;
    if
    :: bits & BIT(1) -> asleep[1] = false
    :: else
    fi
  }
}

proctype sleeper(byte s) {
  byte w, seen, o;
  do
  :: w < WAKERS ->
     do
     :: atomic { LOAD(SLEEPER(s), TOLD(s, w)) == 0 ->
#ifndef MUT_SEEN_LATE
          seen = LOAD(SLEEPER(s), WAKES)
#endif
        };
        exchange(SLEEPER(s), TOKEN(s), 0, o);
#ifdef MUT_SEEN_LATE
        seen = LOAD(SLEEPER(s), WAKES);
#endif
        if
        :: o == 0 ->
           futex_wait(s, seen);
           exchange(SLEEPER(s), TOKEN(s), 0, o)
        :: else
        fi;
        seen = 0;
        o = 0
     :: LOAD(SLEEPER(s), TOLD(s, w)) != 0 -> break
     od;
     w++
  :: else -> break
  od
}

proctype waker(byte w) {
  byte s, bits, o;
#ifdef MUT_COUNT_FIRST
  count(WAKER(w));
#endif
  do
  :: s < SLEEPERS ->
#ifdef MUT_TOLD_LATE
     exchange(WAKER(w), TOKEN(s), 1, o);
     d_step { DRAINED(WAKER(w)) -> mem[TOLD(s, w)] = 1 };
#else
     exchange(WAKER(w), TOLD(s, w), 1, o);
     exchange(WAKER(w), TOKEN(s), 1, o);
#endif
     atomic {
       if
#ifdef MUT_LAST_BIT
       :: o == 0 -> bits = BIT(s)
#else
       :: o == 0 -> bits = bits | BIT(s)
#endif
       :: else
       fi;
       o = 0;
       s++
     }
  :: else -> break
  od;
  if
  :: bits != 0 ->
#if !defined(MUT_COUNT_FIRST) && !defined(MUT_NO_COUNT)
     count(WAKER(w));
#endif
     futex_wake(WAKER(w), bits)
  :: else
  fi
}

init {
  byte w;
  atomic {
    run sleeper(0);
    run sleeper(1);
    do
    :: w < WAKERS -> run waker(w); w++
    :: else -> break
    od
  }
}
