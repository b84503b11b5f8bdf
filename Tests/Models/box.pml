/*
 * BOX: a lone caller's shortcut past the push list (CSources/COutboard/src/
 * box.c).
 *
 * WORD says what is in the box: 0 closed, `seen` (the loop's) open and empty,
 * seen + 1 a call. The caller writes the call, then takes the word from seen to
 * seen + 1 by a CAS; if that fails, or the box is closed, it uses the push
 * list. The loop looks at the box, then takes the list, runs the list and then
 * the call. Before it sleeps it takes the word from seen to 0 by a CAS. It
 * opens a box only while its thread is blocked in a call. A thread that ends
 * has the loop close an open box; otherwise the lane is recycled at once.
 *
 * A second thread pushes K items and says after each how many there are; the
 * caller looks at that before each call.
 *
 * Abstracted: parking is waiter.pml's, so a caller waits until it can see its
 * answer; when the box pays (any call from the list may open it, or not); lanes
 * are lane.pml's; the end of the queue closes the box as a sleep does. The loop
 * goes round TURNS times without trying to sleep.
 *
 * Properties
 *   every call returns (invalid end state otherwise), in order, with its own
 *     input: assertion in run_call();
 *   what the caller knew of has run before its call: the same;
 *   nobody touches the box of a recycled lane: touch.
 *
 * Mutations, and where they must fail
 *   MUT_CLOSE_STORE  the loop closes by a look and a store. SC, TSO.
 *   MUT_CALL_STORE   the caller hands in by a look and a store. SC, TSO.
 *   MUT_NO_CLOSE     the loop sleeps with the box open. SC, TSO.
 *   MUT_LIST_FIRST   the list is taken before the box is looked at. SC, TSO.
 *   MUT_FILL_LATE    the call is written after the CAS. SC, TSO.
 *   MUT_ORPHAN       a thread ends without a look at its box. SC, TSO.
 *   MUT_OPEN_LATE    the box is opened after the answer. SC, TSO.
 *   MUT_KEEP_OPEN    the lane is recycled at its thread's end without closing.
 *                    SC, TSO.
 */
#ifndef CALLS
#define CALLS 3
#endif
#ifndef K
#define K 2
#endif
#ifndef TURNS
#define TURNS 2
#endif

#define CALLER 0
#define POSTER 1
#define LOOP 2
#define NT 3

#define HEAD 0
#define NNODE (CALLS + K + 1)
#define CALL_NODE(k) (1 + (k))
#define POST_NODE(i) (1 + CALLS + (i))
#define END_NODE NNODE
#define NEXT(n) (n)
#define WORD (NNODE + 1)
#define INPUT (NNODE + 2)  /* of the call in the box: its number, from 1 */
#define STATE (NNODE + 3)  /* number of the boxed call answered last */
#define ANSWER (NNODE + 4) /* the same of calls through the list */
#define TOLD (NNODE + 5)   /* items pushed */
#define NW (NNODE + 6)

#include "common/memory.pml"
#include "common/queue.pml"

byte known[CALLS]; /* items that the caller knew of before each call */
byte calls_run, posts_run;
byte turns = TURNS;
byte seen = 1;  /* loop */
bool open;      /* loop: the box is */
bool recycled;  /* the lane is another thread's */

#define touch assert(!recycled)

inline run_call(k) {
  assert(k == calls_run);
  assert(posts_run >= known[k]);
  calls_run++
}

/* --- Threads --- */

inline fill(k) {
  atomic { store(CALLER, INPUT, k + 1) }
}

inline hand_in(k, number, ok) {
#ifndef MUT_FILL_LATE
  fill(k);
#endif
#ifdef MUT_CALL_STORE
  atomic {
    ok = (LOAD(CALLER, WORD) == number);
    SAY("call %d: look at the box: %d\n", k, ok)
  };
  if
  :: ok -> atomic { store_release(CALLER, WORD, number + 1) }
  :: else
  fi;
#else
  atomic {
    cas(CALLER, WORD, number, number + 1, ok);
    SAY("call %d into the box: %d\n", k, ok)
  };
#endif
#ifdef MUT_FILL_LATE
  fill(k);
#endif
}

proctype caller() {
  byte k, number, o;
  bool ok;
  do
  :: k < CALLS ->
     atomic { known[k] = LOAD(CALLER, TOLD) };
     atomic { number = LOAD(CALLER, WORD); ok = false };
     if
     :: number != 0 -> hand_in(k, number, ok)
     :: else
     fi;
     if
     :: ok -> LOAD(CALLER, STATE) == number + 1
     :: else ->
        push(CALLER, CALL_NODE(k), o, ok);
        LOAD(CALLER, ANSWER) == k + 1
     fi;
     atomic { k++; number = 0 }
  :: else -> break
  od;
#ifndef MUT_ORPHAN
  if
  :: LOAD(CALLER, WORD) != 0 -> push(CALLER, END_NODE, o, ok)
  :: else ->
#endif
     atomic { SAY("ends, lane recycled\n"); recycled = true }
#ifndef MUT_ORPHAN
  fi
#endif
}

proctype poster() {
  byte i, o;
  bool ok;
  do
  :: i < K ->
     push(POSTER, POST_NODE(i), o, ok);
     atomic { i++; store_release(POSTER, TOLD, i) }
  :: else -> break
  od
}

/* --- Loop --- */

inline look_at_box(taken) {
  atomic {
    taken = false;
    if
    :: open ->
       touch;
       taken = (LOAD(LOOP, WORD) != seen);
       seen = seen + taken;
       SAY("look at the box: %d\n", taken)
    :: else
    fi
  }
}

inline take_list(list, n, nx) {
  if
  :: LOAD(LOOP, HEAD) != EMPTY -> atomic { grab(list, n, nx) }
  :: else
  fi
}

/* ok: it is closed. */
inline close_box(o, ok) {
  if
#ifdef MUT_NO_CLOSE
  :: true -> ok = true
#endif
  :: !open -> ok = true
#ifdef MUT_CLOSE_STORE
  :: open ->
     atomic { touch; ok = (LOAD(LOOP, WORD) == seen) };
     if
     :: ok -> atomic { touch; store(LOOP, WORD, 0); open = false }
     :: else
     fi
#else
  :: open ->
     atomic {
       cas(LOOP, WORD, seen, 0, ok);
       touch;
       SAY("close the box: %d\n", ok);
       open = !ok
     }
#endif
  fi
}

inline open_box() {
  atomic {
    touch;
    SAY("open the box at %d\n", seen);
    store_release(LOOP, WORD, seen);
    open = true
  }
}

inline answer_listed(k, o) {
  exchange(LOOP, ANSWER, k + 1, o);
  o = 0
}

inline run_listed(k, o) {
  atomic { SAY("run call %d of the list\n", k); run_call(k) };
#ifdef MUT_OPEN_LATE
  answer_listed(k, o);
#endif
  if
  :: !open -> open_box()
  :: true
  fi;
#ifndef MUT_OPEN_LATE
  answer_listed(k, o)
#endif
}

/* The last that its thread has pushed. */
inline retire(o, ok) {
#ifndef MUT_KEEP_OPEN
  close_box(o, ok);
  assert(ok);
#endif
  atomic { SAY("lane recycled by the loop\n"); recycled = true }
}

inline run_node(n, o, ok) {
  if
  :: n <= CALLS -> run_listed(n - 1, o)
  :: n > CALLS && n < END_NODE ->
     atomic {
       SAY("run item %d\n", n - 1 - CALLS);
       assert(n == POST_NODE(posts_run));
       posts_run++
     }
  :: else -> retire(o, ok)
  fi
}

inline run_boxed(o) {
  atomic {
    touch;
    o = LOAD(LOOP, INPUT) - 1;
    SAY("run call %d of the box\n", o);
    run_call(o)
  };
  atomic { exchange(LOOP, STATE, seen, o); touch; o = 0 }
}

proctype loop() {
  byte list, n, nx, o;
  bool ok, taken;
  do
  ::
#ifdef MUT_LIST_FIRST
     take_list(list, n, nx);
     look_at_box(taken);
#else
     look_at_box(taken);
     take_list(list, n, nx);
#endif
     do
     :: list != EMPTY ->
        d_step {
          n = list;
          list = mem[NEXT(n)];
          mem[NEXT(n)] = 0;
          linked[n] = false
        };
        run_node(n, o, ok)
     :: else -> n = 0; break
     od;
     if
     :: taken -> run_boxed(o)
     :: else
     fi;
     if
     :: turns > 0 -> turns--
     :: true ->
        close_box(o, ok);
        if
        :: ok -> announce(ok)
        :: else
        fi;
        if
        :: ok ->
           poll(calls_run == CALLS && posts_run == K && recycled);
           unannounce(ok)
        :: else
        fi
     fi
  od
}

init {
  atomic {
    run caller();
    run poster();
    run loop()
  }
}
