/*
 * FINISH: a reference-counted request that several parties may finish.
 *
 * The caller waits, with or without a timeout, or releases its ticket; a
 * completer brings the result; a canceller may finish early. Finishing is one
 * RMW that sets DONE; an early finish also sets EARLY in that same RMW, so the
 * state word alone says what the outcome is. Each party holds one reference.
 *
 * Abstracted: the queue and the handler; one status stands for timeout and
 * cancel; parking as in waiter.pml, with a parker that is never freed.
 *
 * Properties
 *   exactly one party finishes the request (won);
 *   the caller, unless it released the ticket, gets exactly one outcome, and
 *     a result only when the completer finished;
 *   the result is taken or destroyed, exactly once (take, destroy, drop);
 *   memory is freed once, after the last reference, and not touched later;
 *   the caller returns and the memory is freed (invalid end state otherwise).
 *
 * Mutations, all of which must fail under SC and TSO
 *   MUT_TIMEOUT_NO_RMW  a caller whose time is up looks at the state and goes.
 *   MUT_EARLY_OR        early finish by fetch_or(DONE | EARLY): a loser marks
 *                       the winner's request EARLY, and the result leaks.
 *   MUT_STATUS_FIELD    every party writes a status field before its RMW.
 *   MUT_RELEASE_BLIND   the completer ignores that the ticket was released.
 *   MUT_NO_WAKE         the canceller does not wake the parked caller.
 *   MUT_DROP_EARLY      the completer drops its reference before its RMW.
 */
#ifndef NAPS
#define NAPS 1
#endif

#define CALLER 0
#define COMPLETER 1
#define CANCELLER 2
#define NT 3

#define STATE 0
#define RESULT 1
#define REFS 2
#define TOKEN 3  /* the parker's word: not part of the request */
#define STATUS 4 /* MUT_STATUS_FIELD */
#define NW 5

#define DONE 1
#define PARKED 2
#define EARLY 4
#define RELEASED 8
#define VALUE 7

#include "common/memory.pml"

mtype = { NONE, ALIVE, TAKEN, DESTROYED };
mtype result = NONE;
byte won;       /* parties whose RMW finished the request */
bool delivered; /* the caller has its outcome */
bool freed;
byte naps = NAPS;

#define touch() assert(!freed)

inline take() {
  assert(result == ALIVE && LOAD(CALLER, RESULT) == VALUE);
  result = TAKEN
}

inline destroy() { assert(result == ALIVE); result = DESTROYED }

inline deliver() { assert(!delivered); delivered = true }

inline drop(t, o) {
  touch();
  atomic {
    fetch_sub(t, REFS, o);
    if
    :: o == 1 -> assert(!freed && won == 1 && result != ALIVE); freed = true
    :: else
    fi;
    o = 0
  }
}

/* o: the state before; without DONE this party has won. */
inline finish_early(t, o, ok) {
#ifdef MUT_STATUS_FIELD
  atomic { touch(); store(t, STATUS, EARLY) };
#endif
#ifdef MUT_EARLY_OR
  atomic { touch(); fetch_or(t, STATE, DONE | EARLY, o) };
#else
  do
  :: atomic { touch(); o = LOAD(t, STATE) };
     if
     :: o & DONE -> break
     :: else ->
        cas(t, STATE, o, o | DONE | EARLY, ok);
        if
        :: ok -> break
        :: else
        fi
     fi
  od;
  ok = false;
#endif
  atomic {
    if
    :: !(o & DONE) -> won++; assert(won == 1)
    :: else
    fi
  }
}

/* The caller has seen DONE in state o. */
inline collect(o) {
#ifdef MUT_STATUS_FIELD
  o = LOAD(CALLER, STATUS);
#endif
  atomic {
    touch();
    deliver();
    if
    :: o & EARLY
    :: else -> take()
    fi
  }
}

inline time_out(o, ok) {
#ifdef MUT_TIMEOUT_NO_RMW
  o = LOAD(CALLER, STATE);
#else
  finish_early(CALLER, o, ok);
#endif
  if
  :: o & DONE -> o = LOAD(CALLER, STATE); collect(o)
  :: else ->
#ifdef MUT_TIMEOUT_NO_RMW
     won++; /* so it thinks */
     assert(won == 1);
#endif
     deliver()
  fi
}

inline wait(timed, o, ok) {
  atomic { touch(); fetch_or(CALLER, STATE, PARKED, o) };
  do
  :: o & DONE -> collect(o); break
  :: else ->
     if
     :: mem[TOKEN] != 0 -> exchange(CALLER, TOKEN, 0, o)
     :: atomic { naps > 0 -> naps-- }
     :: timed -> time_out(o, ok); break
     fi;
     atomic { touch(); o = LOAD(CALLER, STATE) }
  od
}

inline release_ticket(o) {
  atomic { touch(); fetch_or(CALLER, STATE, RELEASED, o) };
  if /* finished before: the result is the caller's, to destroy */
  :: (o & DONE) && !(o & EARLY) -> destroy()
  :: else
  fi
}

proctype caller() {
  byte o;
  bool ok, timed;
  if
  :: timed = true
  :: timed = false
  fi;
  if
  :: wait(timed, o, ok)
  :: !timed -> release_ticket(o)
  fi;
  drop(CALLER, o)
}

inline wake(t, o) {
  if
  :: o & PARKED -> atomic { store_release(t, TOKEN, 1) }
  :: else
  fi
}

proctype completer() {
  byte o, drops;
  atomic {
    touch();
    result = ALIVE;
    store(COMPLETER, RESULT, VALUE)
  };
#ifdef MUT_STATUS_FIELD
  atomic { touch(); store(COMPLETER, STATUS, 0) };
#endif
#ifdef MUT_DROP_EARLY
  drop(COMPLETER, drops);
#endif
  atomic { touch(); fetch_or(COMPLETER, STATE, DONE, o) };
  if
  :: o & DONE -> destroy() /* somebody finished early */
  :: else ->
     won++;
     assert(won == 1);
#ifndef MUT_RELEASE_BLIND
     if
     :: o & RELEASED -> destroy()
     :: else -> wake(COMPLETER, o)
     fi
#else
     wake(COMPLETER, o)
#endif
  fi;
#ifndef MUT_DROP_EARLY
  drop(COMPLETER, drops)
#endif
}

proctype canceller() {
  byte o;
  bool ok;
  if
  :: finish_early(CANCELLER, o, ok);
#ifndef MUT_NO_WAKE
     if
     :: o & DONE
     :: else -> wake(CANCELLER, o)
     fi
#endif
  :: true /* nobody cancels */
  fi;
  drop(CANCELLER, o)
}

init {
  atomic {
    mem[REFS] = 3;
    run caller();
    run completer();
    run canceller()
  };
  freed
}
