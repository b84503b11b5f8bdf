/*
 * LANE: the push list with lanes and the order across the two (rule 3).
 *
 * NP producers hand in items; each is, by free choice, a submission (list, or
 * lane when the order rule says so), a blocking call (list, carrying the tail;
 * the producer waits for it) or a post (lane). The loop drains list and lanes
 * in batches of BATCH entries per visit, then sleeps as in wake.pml. The
 * protocol itself is in common/lane.pml.
 *
 * Abstracted: a ring holds all items (room.c's business); running an item is a
 * check of its number; timers and I/O between batches are nothing; the loop
 * does not submit; a call's catching up is not interrupted by the batch limit.
 *
 * Properties: no lost wake-up or forgotten lane (invalid end state); exactly
 * once and FIFO per producer across list and lane (run_item); one write per
 * sleep (ring); no node linked twice (push); no cycle (-DNP).
 *
 * Mutations, and where they must fail
 *   MUT_CLEAR_LATE     scheduled is exchanged only after draining, not before
 *                      the tail is read: entries forgotten. SC, TSO.
 *   MUT_CLEAR_BLIND    let go by an exchange, not a CAS from HELD: undoes the
 *                      producer's QUEUED. SC, TSO.
 *   MUT_LIST_ALWAYS    order rule dropped: requests always use the list. SC.
 *   MUT_TAIL_ONLY      order rule asks only head == tail. SC, TSO.
 *   MUT_CARRY_TAIL     order rule replaced: submissions, too, use the list and
 *                      carry the tail. Later posts overtake. SC, TSO.
 *   MUT_NEXT_LATE      the loop reads the lane node's next after its exchange:
 *                      the node may be in the queue again. SC, TSO.
 *   MUT_PEEK           a producer that loads QUEUED saves the exchange. Passes
 *                      under SC; fails under TSO and weaker (the tail is still
 *                      in its store buffer).
 *   LANE_DRAFT         the first draft: no HELD. Not FIFO. SC, TSO.
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
byte carry[NNODE + 1]; /* run the lane up to here first */

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
     :: atomic { SAY("item %d: submission\n", i) };
        request(p, i, o, ok)
     :: atomic { SAY("item %d: post\n", i) };
        lane_post(p, i + 1, o, ok)
#ifndef NO_CALLS
     :: atomic { SAY("item %d: call\n", i) };
        if
        :: LANE_IDLE(p)
        :: else -> atomic { carry[NODE(p, i)] = LOAD(p, LTAIL(p)) }
        fi;
        push(p, NODE(p, i), o, ok);
        done[p] > i
#endif
     fi;
     assert(ok);
     i++
  :: else -> break
  od
}

inline run_node(n, p, e, room) {
  atomic {
    linked[n] = false;
    p = (n - 1) / K;
    if
    :: taken[p] < carry[n] -> room = K; lane_run(p, carry[n], e, room)
    :: else
    fi;
    carry[n] = 0;
    run_item(p, (n - 1) % K);
    p = 0;
    n = 0
  }
}

/* One pass: the lanes kept before, then everything that head held. */
inline drain(list, n, p, o, e, room, ok) {
  atomic {
    if
    :: LOAD(LOOP, HEAD) != EMPTY -> grab(list, n, o)
    :: else
    fi
  };
  do
  :: atomic { p < NP && !kept[p] -> p++ }
  :: p < NP && kept[p] -> lane_again(p, o, e, room, ok); p++
  :: atomic { p == NP -> p = 0; break }
  od;
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
     :: n <= TOTAL -> run_node(n, p, e, room)
     :: else ->
        p = n - LNODE(0);
        lane_pop(p, o, e, room, ok);
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
  byte list, n, p, o, e, room;
  bool ok;
  do
  :: drain(list, n, p, o, e, room, ok);
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
