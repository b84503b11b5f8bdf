/*
 * LANE: the push list with lanes and the order across the two (rule 3).
 *
 * NP producers submit K items each; every item is, by free choice, a request
 * (list, or lane when the order rule says so) or a post (lane). The loop
 * drains list and lanes in batches of BATCH entries per visit, then sleeps as
 * in wake.pml. The protocol itself is in common/lane.pml.
 *
 * Abstracted: a ring holds all K items (full lanes wait, or are refused, by a
 * rule outside of this model); running an item is a check of its number;
 * timers and I/O between batches are nothing; the loop does not submit.
 *
 * Properties: no lost wake-up or forgotten lane (invalid end state); exactly
 * once and FIFO per producer across list and lane (run_item); one write per
 * sleep (ring); no node linked twice (push); no cycle (-DNP).
 *
 * Mutations, and where they must fail
 *   MUT_CLEAR_BLIND    SCHED is cleared after draining by an unconditional RMW
 *                      instead of a CAS from the word read. SC, TSO.
 *   MUT_LIST_ALWAYS    order rule dropped: requests always use the list. SC.
 *   MUT_TAIL_ONLY      order rule asks only head == tail, not SCHED. SC, TSO.
 *   MUT_CARRY_TAIL     order rule replaced: a request always uses the list and
 *                      carries its lane's tail; the loop drains the lane up to
 *                      it first. Later posts still overtake. SC, TSO.
 *   MUT_NEXT_LATE      the loop reads the lane node's next after it cleared
 *                      SCHED: the node may be in the queue again. SC, TSO.
 *   MUT_PEEK           a producer that sees SCHED publishes with a store and
 *                      saves the RMW: undoes the loop's clear. SC, TSO.
 *   LANE_DRAFT         the first draft (clear, then read tail). FIFO. SC, TSO.
 *   LANE_DRAFT + MUT_SETBACK_STORE   the draft sets `scheduled` back by a
 *                      store: the node gets linked twice. SC, TSO.
 */
#ifndef NP
#define NP 2
#endif
#ifndef K
#define K 3
#endif
#ifndef K1 /* items of every producer but the first */
#define K1 K
#endif
#define ITEMS(p) (p == 0 -> K : K1)
#define TOTAL (NP * K)
#define NT (NP + 1)
#define LOOP NP

#define HEAD 0
#define NNODE (TOTAL + NP)
#define NODE(p, i) (1 + (p) * K + (i))
#define LNODE(p) (TOTAL + 1 + (p))
#define NEXT(n) (n)
#define LANE0 (NNODE + 1)
#define SLOTS K
#define NW (LANE0 + NP * (SLOTS + 3))

#include "common/memory.pml"
#include "common/queue.pml"

byte done[NP]; /* items run, per producer */
byte ran;
#ifdef MUT_CARRY_TAIL
byte carry[NNODE + 1]; /* lane's tail when the request was submitted */
#endif

/* Item number i of producer p: exactly once, in order. */
inline run_item(p, i) {
  SAY("run item %d of producer %d\n", i, p);
  assert((i) == done[p]);
  done[p]++;
  ran++
}

inline run_entry(p, e) { run_item(p, e - 1) }

#include "common/lane.pml"

proctype producer(byte p) {
  byte i, o;
  bool ok;
  do
  :: i < ITEMS(p) ->
     if
     :: atomic { SAY("item %d: request\n", i) }; request(p, i, o, ok)
     :: atomic { SAY("item %d: post\n", i) }; lane_post(p, i + 1, o, ok)
     fi;
     assert(ok);
     i++
  :: else -> break
  od
}

inline run_node(n, p, e) {
  d_step {
    linked[n] = false;
#ifdef MUT_CARRY_TAIL
    p = (n - 1) / K;
    do
    :: taken[p] < carry[n] ->
       e = LOAD(LOOP, SLOT(p, taken[p]));
       taken[p]++;
       run_entry(p, e)
    :: else -> break
    od;
    p = 0;
    e = 0;
#endif
    run_item((n - 1) / K, (n - 1) % K);
    n = 0
  }
}

/* One pass: everything that head holds, then the lanes kept before. */
inline drain(list, n, p, o, e, left, ok) {
  if
  :: LOAD(LOOP, HEAD) != EMPTY -> grab(list, n, o)
  :: else
  fi;
  do
  :: list != EMPTY ->
     d_step {
       n = list;
#ifdef MUT_NEXT_LATE
       if
       :: n <= TOTAL -> list = mem[NEXT(n)]
       :: else
       fi
#else
       list = mem[NEXT(n)];
       mem[NEXT(n)] = 0
#endif
     };
     if
     :: n <= TOTAL -> run_node(n, p, e)
     :: else ->
        atomic { p = n - LNODE(0); kept[p] = false };
        lane_serve(p, o, e, left, ok);
#ifdef MUT_NEXT_LATE
        list = mem[NEXT(n)];
#endif
        p = 0
     fi;
     n = 0
  :: else -> break
  od
}

proctype loop() {
  byte list, n, p, o, e, left;
  bool ok;
  do
  :: drain(list, n, p, o, e, left, ok);
     do
     :: p < NP ->
        if
        :: kept[p] -> lane_serve(p, o, e, left, ok)
        :: else
        fi;
        p++
     :: else -> p = 0; break
     od;
     if
     :: kept[0] || kept[NP - 1] -> skip
     :: else ->
        announce(ok);
        if
        :: ok ->
           poll(ran == K + (NP - 1) * K1);
           unannounce(ok)
        :: else
        fi
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
