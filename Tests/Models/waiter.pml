/*
 * WAITER: a caller blocks on a request that lives on its own stack (rule 2).
 *
 * One caller makes CALLS calls in a row, all with the same parker; each is
 * completed by a thread of its own, so the token of one call may arrive during
 * the next. The state word has DONE and PARKED. The caller looks at it SPINS
 * times, then sets PARKED by an RMW and sleeps on its parker unless DONE was
 * set. The completer writes the result, reads the parker, sets DONE by an RMW,
 * and posts the parker's token when PARKED was set.
 *
 * Abstracted: the way to the loop is a flag (wake.pml); a parker is one word
 * that is never freed; spurious wakes are bounded by NAPS, as they would hide
 * a lost one; deadlines are finish.pml's.
 *
 * Properties: every call returns (invalid end state otherwise) with its own
 * result; nobody touches a request after its caller returned (touch).
 *
 * Mutations, and where they must fail
 *   MUT_PARKER_LATE  the completer reads the parker after its RMW. SC, TSO.
 *   MUT_PARK_PLAIN   the caller stores a parked flag, then loads the state; the
 *                    completer sets DONE by an RMW, then loads the flag. (Its
 *                    late touch is forgiven here, to show the other fault.)
 *                    Passes under SC; fails under TSO and weaker.
 *   MUT_NO_WAKE      the completer posts nothing. SC, TSO.
 *   MUT_LAZY_PARKER  the parker is filled in just before PARKED is set instead
 *                    of before the submission: the completer has read the old
 *                    value by then. SC, TSO.
 *   MUT_TRUST_TOKEN  the caller takes any wake for its own. SC, TSO.
 *   MUT_RESET_LATE   the caller clears the token after it looked at the state,
 *                    and with it a token that has just come. SC, TSO.
 */
#ifndef CALLS
#define CALLS 2
#endif
#ifndef SPINS
#define SPINS 1
#endif
#ifndef NAPS
#define NAPS 2
#endif

#define CALLER 0
#define COMPLETER(r) (1 + (r))
#define NT (1 + CALLS)

#define STATE(r) (r)
#define RESULT(r) (CALLS + (r))
#define PARKER(r) (2 * CALLS + (r)) /* 1: the caller's; 0: none */
#define FLAG(r) (3 * CALLS + (r)) /* MUT_PARK_PLAIN */
#define TOKEN (4 * CALLS) /* the parker's word */
#define NW (4 * CALLS + 1)

#define DONE 1
#define PARKED 2
#define VALUE(r) (10 + (r))

#include "common/memory.pml"

bool submitted[CALLS];
bool freed[CALLS]; /* the caller has returned, its frame is gone */
byte naps = NAPS;

#define touch(r) assert(!freed[r])

/* parked: the caller may sleep; otherwise it is done. */
inline announce_park(r, o, parked) {
#ifdef MUT_LAZY_PARKER
  atomic { store(CALLER, PARKER(r), 1) };
#endif
#ifdef MUT_PARK_PLAIN
  atomic { store(CALLER, FLAG(r), 1) };
  o = LOAD(CALLER, STATE(r));
#else
  fetch_or(CALLER, STATE(r), PARKED, o);
#endif
  atomic { parked = !(o & DONE); o = 0 }
}

inline sleep(r, o, parked) {
  do
  :: parked ->
     if
     :: mem[TOKEN] != 0
     :: atomic { naps > 0 -> naps-- }
     fi;
#ifdef MUT_TRUST_TOKEN
     exchange(CALLER, TOKEN, 0, o);
     parked = false;
#elif defined(MUT_RESET_LATE)
     parked = !(LOAD(CALLER, STATE(r)) & DONE);
     exchange(CALLER, TOKEN, 0, o);
#else
     exchange(CALLER, TOKEN, 0, o);
     parked = !(LOAD(CALLER, STATE(r)) & DONE);
#endif
     o = 0
  :: else -> break
  od
}

proctype caller() {
  byte r, o, spins;
  bool parked;
  do
  :: r < CALLS ->
#ifndef MUT_LAZY_PARKER
     atomic { store(CALLER, PARKER(r), 1) };
#endif
     atomic { DRAINED(CALLER) -> submitted[r] = true }; /* the push is an RMW */
     parked = true;
     spins = 0;
     do
     :: spins < SPINS && parked ->
        parked = !(LOAD(CALLER, STATE(r)) & DONE);
        spins++
     :: else -> spins = 0; break
     od;
     if
     :: parked -> announce_park(r, o, parked); sleep(r, o, parked)
     :: else
     fi;
     atomic {
       assert(LOAD(CALLER, RESULT(r)) == VALUE(r));
       freed[r] = true
     };
     r++
  :: else -> break
  od
}

proctype completer(byte r) {
  byte parker, o;
  submitted[r];
  atomic { touch(r); store(COMPLETER(r), RESULT(r), VALUE(r)) };
#ifndef MUT_PARKER_LATE
  atomic { touch(r); parker = LOAD(COMPLETER(r), PARKER(r)) };
#endif
  touch(r);
  fetch_or(COMPLETER(r), STATE(r), DONE, o);
#ifdef MUT_PARKER_LATE
  atomic { touch(r); parker = LOAD(COMPLETER(r), PARKER(r)) };
#endif
#ifdef MUT_PARK_PLAIN
  o = (LOAD(COMPLETER(r), FLAG(r)) -> PARKED : 0);
#endif
#ifndef MUT_NO_WAKE
  if
  :: o & PARKED ->
     atomic { assert(parker == 1); store_release(COMPLETER(r), TOKEN, 1) }
  :: else
  fi
#endif
}

init {
  byte r;
  atomic {
    run caller();
    do
    :: r < CALLS -> run completer(r); r++
    :: else -> break
    od
  }
}
