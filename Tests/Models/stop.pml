/*
 * STOP: gate, draining, closing the head word (DESIGN.md rule 8; stop.c).
 *
 * NP submitters make K submissions each, by free choice calls (list or lane by
 * the order rule; they block until completion) or posts (lane). A handler may
 * finish on another thread (OFFLOADS of them): that wakes the caller itself,
 * then pushes the request's node, exempt from the gate, so that the loop counts
 * it out. Other threads stop the engine, and with LOOPSTOPS so may the loop
 * thread. The loop closes by CAS EMPTY -> CLOSED when it sees the stop, keeps
 * no lane and no handler runs; then it exits. The engine is freed when no
 * pusher is left between its push and its write to the eventfd.
 *
 * Abstracted: deadlines, timers, hooks, blocking calls that carry the tail,
 * Swift jobs; a blocked caller waits on the outcome itself (waiter.pml has the
 * parking). Cancel mode has no switch: it completes at once what drain mode may
 * complete at once, so what it does is among what drain mode does. Stops begin
 * without the mutex that serialises them in C.
 *
 * Properties: every accepted item is completed exactly once and no refused item
 * ever is (complete, check); no caller waits for ever, the loop exits, all
 * stoppers return (invalid end state otherwise); an exempt push is never
 * refused (push_exempt); no eventfd write once the engine is freed (ring); no
 * refused entry stays in a lane (check); no cycle (-DNP).
 *
 * -DNO_GATE must pass as well: the gate is courtesy, CLOSED alone makes it
 * right.
 *
 * Mutations, all of which must fail under SC and TSO
 *   MUT_GATE_ONLY       no CLOSED tag: the loop exits on an empty queue.
 *   MUT_IGNORE_RUNNING  closes while a handler runs elsewhere.
 *   MUT_RUNNING_EARLY   the other thread counts itself out before its push.
 *   MUT_NO_TAKE_BACK    a refused post leaves its entry in the lane.
 *   MUT_BLIND_TAKE_BACK a refused post takes its entry back without asking
 *                       whether the loop has run it.
 *   MUT_HEAD_HOISTED    it asks, but the load was satisfied before the one that
 *                       found CLOSED, as ARM may when that one is relaxed.
 *   MUT_CLOSE_STORE     load EMPTY, then store CLOSED instead of a CAS.
 *   MUT_UNSETTLED       freed while a pusher still owes its write: that hits
 *                       a closed, maybe reused, descriptor.
 *   MUT_SPIN_STOP       the stopping loop polls for the handler that still runs
 *                       instead of sleeping (proves the check for cycles).
 *   LANE_DRAFT          the first draft of lanes: an accepted entry is left to
 *                       a producer whose push is then refused.
 */
#ifndef NP
#define NP 2
#endif
#ifndef K
#define K 2
#endif
#ifndef K1 /* submissions of every producer but the first */
#define K1 K
#endif
#ifndef OFFLOADS
#define OFFLOADS 1
#endif
#ifndef STOPPERS
#define STOPPERS 2
#endif
#ifndef LOOPSTOPS
#define LOOPSTOPS 1
#endif
#define ITEMS(p) (p == 0 -> K : K1)
#define TOTAL (NP * K)
#define LOOP NP
#define STOPPER(s) (NP + 1 + (s))
#define OFFLOAD (NP + 1 + STOPPERS)
#define NT (NP + 2 + STOPPERS)

#define HEAD 0
#define NNODE (TOTAL + NP + 1)
#define NODE(p, i) (1 + (p) * K + (i))
#define LNODE(p) (TOTAL + 1 + (p))
#define STOPNODE (TOTAL + NP + 1)
#define NEXT(n) (n)
#define STOP (NNODE + 1) /* a stop was asked for; also the gate */
#define BUSY (NNODE + 2) /* the stop node is queued */
#define LANE0 (NNODE + 3)
#define SLOTS K
#define NW (LANE0 + NP * (SLOTS + 3))

#include "common/memory.pml"
#include "common/queue.pml"

bool done[NNODE + 1];    /* per item, by node number */
bool elsewhere[NNODE + 1]; /* its handler runs, or ran, on another thread */
byte job;                /* item handed to the other thread */
byte running;            /* handlers running elsewhere; the loop's own count */
byte offloads = OFFLOADS;
byte loopstops = LOOPSTOPS;
byte begun;              /* stoppers that have begun */
bool popped[NP];         /* lanes whose node the loop has taken */
bool stopping;           /* what the loop knows */
bool exited;             /* the loop is gone */

inline complete(n) {
  SAY("complete item %d\n", n);
  assert(!done[n]);
  done[n] = true
}

/* The loop has item n in hand: a new one, or one whose handler has finished on
   another thread. One step. */
inline run_item(n) {
  if
  :: elsewhere[n] ->
#ifndef MUT_RUNNING_EARLY
     running--
#endif
  :: !elsewhere[n] -> complete(n) /* handler ran, or cancelled by the stop */
  :: !elsewhere[n] && offloads > 0 && job == 0 ->
     offloads--;
     elsewhere[n] = true;
     running++;
     SAY("item %d runs elsewhere\n", n);
     job = n
  fi
}

inline run_entry(p, e) { run_item(NODE(p, e - 1)) }

#include "common/lane.pml"

inline push_exempt(t, n, o, ok) {
  push(t, n, o, ok);
#ifndef MUT_GATE_ONLY
  assert(ok)
#endif
}

#ifdef NO_GATE
#define GATE_SHUT(p) false
#else
#define GATE_SHUT(p) LOAD(p, STOP)
#endif

/* The last thing a submitter does: what was accepted is done, what was refused
   is not, and its lane holds nothing (destroying the engine would complete it
   a second time). */
inline check(p, i, accepted) {
  atomic {
    exited && DRAINED(p) ->
    i = 0;
    do
    :: i < ITEMS(p) ->
       assert(done[NODE(p, i)] || !((accepted >> i) & 1)); /* stranded */
       assert(!done[NODE(p, i)] || ((accepted >> i) & 1)); /* run, refused */
       i++
    :: else -> break
    od;
    assert(mem[LTAIL(p)] == taken[p]);
    i = 0
  }
}

proctype submitter(byte p) {
  byte i, o, accepted;
  bool ok;
#ifdef MUT_HEAD_HOISTED
  byte early;
#endif
  do
  :: i < ITEMS(p) ->
     if
     :: GATE_SHUT(p) -> ok = false
     :: else ->
        if
        :: atomic { SAY("item %d: call\n", NODE(p, i)) };
           request(p, i, o, ok);
           if
           :: ok -> done[NODE(p, i)] /* blocked caller */
           :: else
           fi
        :: atomic { SAY("item %d: post\n", NODE(p, i)) };
           lane_post(p, i + 1, o, ok)
        fi
     fi;
     d_step { accepted = accepted | (ok << i); ok = false; i++ }
  :: else -> break
  od;
  check(p, i, accepted)
}

/* A handler that finishes on another thread. */
proctype offload() {
  byte n, o;
  bool ok;
end:
  do
  :: atomic { job != 0 -> n = job; job = 0 };
     atomic { complete(n) }; /* the caller goes on */
#ifdef MUT_RUNNING_EARLY
     running--;
#endif
     push_exempt(OFFLOAD, n, o, ok);
     n = 0
  od
}

/* A push that finds CLOSED comes too late to matter. */
inline begin_stop(t, o, ok) {
  exchange(t, BUSY, 1, o);
  if
  :: o == 0 -> push(t, STOPNODE, o, ok); ok = false
  :: else -> o = 0
  fi
}

proctype stopper(byte s) {
  byte o;
  bool ok;
  /* Stoppers are alike, so it is enough that they begin in this order. */
  atomic { begun == s -> begun++; store(STOPPER(s), STOP, 1) };
  begin_stop(STOPPER(s), o, ok);
  exited; /* join */
#ifndef MUT_UNSETTLED
  owed == 0; /* in C: each pusher's flag, seen clear */
#endif
  atomic { SAY("engine freed\n"); freed = true }
}

/* Everything that head holds, in one step: the nodes are the loop's own, and a
   completion only lets others go on. Lanes come after, in any order (FIFO is
   lane.pml's subject). */
inline drain_list(list, n, nx) {
  atomic {
    if
    :: LOAD(LOOP, HEAD) != EMPTY -> grab(list, n, nx)
    :: else
    fi;
    do
    :: list != EMPTY ->
       n = list;
       list = mem[NEXT(n)];
       mem[NEXT(n)] = 0;
       if
       :: n <= TOTAL -> linked[n] = false; run_item(n)
       :: n > TOTAL && n < STOPNODE -> popped[n - LNODE(0)] = true
       :: n == STOPNODE ->
          linked[n] = false;
          exchange(LOOP, BUSY, 0, nx);
          nx = 0
       fi
    :: else -> n = 0; break
    od
  }
}

inline drain(list, n, nx, p, o, e, room, ok) {
  drain_list(list, n, nx);
  do
  :: atomic { p < NP && !kept[p] && !popped[p] -> p++ }
  :: p < NP && kept[p] && !popped[p] -> lane_again(p, o, e, room, ok); p++
  :: atomic { p < NP && popped[p] -> popped[p] = false };
     lane_pop(p, o, e, room, ok);
     p++
  :: atomic { p == NP -> p = 0; break }
  od
}

#ifdef MUT_IGNORE_RUNNING
#define MAY_CLOSE stopping
#else
#define MAY_CLOSE (stopping && running == 0)
#endif

/* ok: closed, nothing can be pushed any more. */
inline close_queue(ok) {
#if defined(MUT_GATE_ONLY)
  ok = (LOAD(LOOP, HEAD) == EMPTY)
#elif defined(MUT_CLOSE_STORE)
  if
  :: LOAD(LOOP, HEAD) == EMPTY ->
     atomic { store(LOOP, HEAD, CLOSED) };
     DRAINED(LOOP);
     ok = true
  :: else
  fi
#else
  atomic {
    cas(LOOP, HEAD, EMPTY, CLOSED, ok);
    SAY("close: %d\n", ok)
  }
#endif
}

proctype loop() {
  byte list, n, nx, p, o, e, room;
  bool ok;
  do
  :: drain(list, n, nx, p, o, e, room, ok);
     if
     :: atomic {
          loopstops > 0 && !stopping -> loopstops--; store(LOOP, STOP, 1)
        };
        begin_stop(LOOP, o, ok)
     :: true
     fi;
     stopping = LOAD(LOOP, STOP);
     if
     :: kept[0] || kept[NP - 1] -> skip
     :: else ->
        if
        :: MAY_CLOSE ->
           close_queue(ok);
           if
           :: ok -> break
           :: else
           fi
#ifdef MUT_SPIN_STOP
        :: stopping && running > 0 -> skip
        :: !stopping ->
#else
        :: else ->
#endif
           announce(ok);
           if
           :: ok ->
              poll(false);
              unannounce(ok)
           :: else
           fi
        fi
     fi
  od;
  atomic { SAY("loop exits\n"); exited = true }
}

init {
  byte i;
  atomic {
    do
    :: i < NP -> run submitter(i); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < STOPPERS -> run stopper(i); i++
    :: else -> break
    od;
    run offload();
    run loop()
  }
}
