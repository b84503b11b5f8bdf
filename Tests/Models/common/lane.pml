/*
 * Lanes: one single-producer ring per producing thread, scheduled through the
 * push list (CSources/COutboard/src/lane.c).
 *
 * Words of a lane: tail (producer), head (loop), scheduled: IDLE, QUEUED, HELD.
 *   post   write the slot; publish tail; exchange(scheduled, QUEUED); unless it
 *          was QUEUED before, push the lane's node; refused: when head == tail
 *          the loop has run the entry, so it was accepted after all, otherwise
 *          take it back; IDLE in either case, for the node is in no list;
 *   loop   pop the node; exchange(scheduled, HELD); read tail; run entries up
 *          to it, at most BATCH; entries left: stay in line by a second node
 *          of its own (kept), HELD or QUEUED stays; none left: CAS HELD -> IDLE.
 *
 * Order rule: a request of thread p uses the list only when scheduled is IDLE
 * and head == tail, otherwise it travels as an entry of p's lane. A blocking
 * call uses the list in any case and carries the tail: the loop runs the lane
 * up to it first.
 *
 * -DLANE_DRAFT is the first draft, kept because its fault is easy to write
 * again: no HELD, the loop does exchange(scheduled, IDLE) and THEN reads tail.
 * See README.md, 'What the models found'.
 *
 * The including model defines LANE0 (first of NP * (SLOTS + 3) words), SLOTS
 * (entries per lane), NODE(p, i), LNODE(p) and run_entry(p, e), one step.
 */
#define IDLE 0
#define QUEUED 1
#define HELD 2

#define LTAIL(p) (LANE0 + (p) * (SLOTS + 3))
#define LHEAD(p) (LTAIL(p) + 1)
#define SCHEDULED(p) (LTAIL(p) + 2)
#define SLOT(p, i) (LTAIL(p) + 3 + (i))

#ifndef BATCH
#define BATCH 1
#endif

byte taken[NP];  /* entries the loop has taken; its own */
bool kept[NP];   /* the loop's second node of the lane is in its ready list */

#define LANE_EMPTY(p) (LOAD(p, LHEAD(p)) == LOAD(p, LTAIL(p)))
#ifdef MUT_TAIL_ONLY
#define LANE_IDLE(p) LANE_EMPTY(p)
#else
#define LANE_IDLE(p) (LOAD(p, SCHEDULED(p)) == IDLE && LANE_EMPTY(p))
#endif

/* Publishes entry e. o: QUEUED when nothing is left to do. */
inline lane_publish(p, e, o) {
  atomic { /* two stores, but the slot means nothing before the tail */
    o = LOAD(p, LTAIL(p));
    SAY("publish tail %d\n", o + 1);
    store_private(p, SLOT(p, o), e);
    store_release(p, LTAIL(p), o + 1)
  };
#ifdef MUT_PEEK
  o = LOAD(p, SCHEDULED(p));
  if
  :: o != QUEUED -> exchange(p, SCHEDULED(p), QUEUED, o)
  :: else
  fi
#else
  atomic {
    exchange(p, SCHEDULED(p), QUEUED, o);
    SAY("scheduled = QUEUED, was %d\n", o)
  }
#endif
}

/* The queue is closed, the loop will not come again. ok: it has run the entry,
   so the post was accepted. */
inline lane_take_back(p, o, ok) {
#if defined(MUT_NO_TAKE_BACK)
  ok = false;
#elif defined(MUT_BLIND_TAKE_BACK)
  ok = false;
#elif defined(MUT_HEAD_HOISTED)
  atomic { o = LOAD(p, LTAIL(p)); ok = (early == o) };
#else
  ok = LANE_EMPTY(p);
#endif
#ifndef MUT_NO_TAKE_BACK
  atomic {
    if
    :: !ok ->
       SAY("take entry back\n");
       o = LOAD(p, LTAIL(p)) - 1;
       store(p, LTAIL(p), o)
    :: else -> SAY("accepted: it has run\n")
    fi;
    store_release(p, SCHEDULED(p), IDLE)
  };
#endif
  o = 0
}

inline lane_post(p, e, o, ok) {
  lane_publish(p, e, o);
  if
  :: o == QUEUED -> ok = true; o = 0
  :: else ->
#ifdef MUT_HEAD_HOISTED
     early = LOAD(p, LHEAD(p));
#endif
     push(p, LNODE(p), o, ok);
     if
     :: !ok -> lane_take_back(p, o, ok)
     :: else
     fi
  fi
}

/* A submission with number i: list or lane. */
inline request(p, i, o, ok) {
#if defined(MUT_LIST_ALWAYS)
  push(p, NODE(p, i), o, ok)
#elif defined(MUT_CARRY_TAIL)
  atomic { carry[NODE(p, i)] = LOAD(p, LTAIL(p)) };
  push(p, NODE(p, i), o, ok)
#else
  if
  :: LANE_IDLE(p) -> push(p, NODE(p, i), o, ok)
  :: else -> lane_post(p, i + 1, o, ok)
  fi
#endif
}

/* Runs entries up to tail, at most room of them. Slots below tail are stable,
   so reading them at once or later is the same. */
inline lane_run(p, tail, e, room) {
  do
  :: room > 0 && taken[p] < (tail) ->
     e = LOAD(LOOP, SLOT(p, taken[p]));
     taken[p]++;
     run_entry(p, e);
     room--
  :: else -> break
  od;
  room = 0;
  e = 0;
  if
  :: LOAD(LOOP, LHEAD(p)) != taken[p] -> store_release(LOOP, LHEAD(p), taken[p])
  :: else
  fi
}

inline lane_look(p, o, e, room) {
  atomic {
    o = LOAD(LOOP, LTAIL(p));
    SAY("lane %d: taken %d, tail %d\n", p, taken[p], o);
    room = BATCH;
    lane_run(p, o, e, room)
  }
}

#ifdef LANE_DRAFT

/* The producer may have queued the lane anew: then its push will bring it. */
inline lane_serve(p, o, e, room, ok) {
  atomic {
    exchange(LOOP, SCHEDULED(p), IDLE, o);
    SAY("lane %d: scheduled = IDLE\n", p);
    kept[p] = false;
    linked[LNODE(p)] = false
  };
  lane_look(p, o, e, room);
  if
  :: taken[p] < o ->
#ifdef MUT_SETBACK_STORE
     atomic { store(LOOP, SCHEDULED(p), QUEUED) };
     o = IDLE;
#else
     exchange(LOOP, SCHEDULED(p), QUEUED, o);
#endif
     if
     :: o == IDLE ->
        atomic {
          assert(!linked[LNODE(p)]);
          linked[LNODE(p)] = true;
          kept[p] = true
        }
     :: else
     fi
  :: else
  fi;
  o = 0
}
inline lane_pop(p, o, e, room, ok) { lane_serve(p, o, e, room, ok) }
inline lane_again(p, o, e, room, ok) { lane_serve(p, o, e, room, ok) }

#else

inline lane_serve(p, o, e, room, ok) {
  lane_look(p, o, e, room);
  if
  :: kept[p] /* that visit ends it */
  :: !kept[p] && taken[p] < o -> kept[p] = true
  :: else ->
     atomic {
#if defined(MUT_CLEAR_BLIND) || defined(MUT_CLEAR_LATE)
       exchange(LOOP, SCHEDULED(p), IDLE, o);
       linked[LNODE(p)] = (o == QUEUED && linked[LNODE(p)]);
#else
       cas(LOOP, SCHEDULED(p), HELD, IDLE, ok);
#endif
       SAY("lane %d: let go: %d\n", p, ok);
       ok = false
     }
  fi;
  o = 0
}

/* The node has been popped; from the exchange on it may be pushed again. */
inline lane_pop(p, o, e, room, ok) {
  atomic {
#ifndef MUT_CLEAR_LATE
    exchange(LOOP, SCHEDULED(p), HELD, o);
    SAY("lane %d: scheduled = HELD\n", p);
#endif
    linked[LNODE(p)] = false;
    o = 0
  };
  lane_serve(p, o, e, room, ok)
}

inline lane_again(p, o, e, room, ok) {
  kept[p] = false;
  lane_serve(p, o, e, room, ok)
}

#endif
