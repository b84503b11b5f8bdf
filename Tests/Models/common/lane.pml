/*
 * Lanes: one single-producer ring per producing thread.
 *
 * One word per lane, LANE(p) = tail * TAIL1 | SCHED, published by one CAS:
 *   post   write the slot; CAS (tail, s) -> (tail + 1, SCHED); when s was
 *          clear, push the lane's own node to the queue;
 *   loop   pop the node; read the word; run entries up to that tail, at most
 *          BATCH; entries left: keep the lane privately, SCHED stays; none
 *          left: CAS the word read -> SCHED clear, and when that fails (the
 *          tail moved) keep the lane privately as well.
 * So SCHED clear means empty, and the loop never sees an entry published
 * while SCHED was clear before it has popped the node that announces it.
 *
 * Order rule: a request of thread p uses the list only when SCHED is clear,
 * otherwise it travels as an entry of p's lane.
 *
 * -DLANE_DRAFT is the first draft with three words, kept because its faults
 * are easy to write again: publish tail; exchange(scheduled, 1); the loop does
 * exchange(scheduled, 0) and THEN reads tail; the order rule asks head == tail
 * and scheduled == 0. See README.md, 'What the models found'.
 *
 * The including model defines LANE0 (first of NP * (SLOTS + 3) words), SLOTS
 * (entries per lane), NODE(p, i), LNODE(p) and run_entry(p, e), one step.
 */
#define SCHED 1
#define TAIL1 2
#define LANE(p) (LANE0 + (p) * (SLOTS + 3)) /* draft: tail alone */
#define LHEAD(p) (LANE(p) + 1) /* draft, MUT_TAIL_ONLY: consumed so far */
#define LSCHED(p) (LANE(p) + 2) /* draft: the flag */
#define SLOT(p, i) (LANE(p) + 3 + (i))

#ifndef BATCH
#define BATCH 1
#endif

byte taken[NP];  /* entries the loop has taken; its own */
bool kept[NP];   /* lanes the loop keeps in its private list */

#ifdef LANE_DRAFT
#define TAIL_OF(w) (w)
#define LANE_FREE(t, p) (LOAD(t, LHEAD(p)) == LOAD(t, LANE(p)))
#else
#define TAIL_OF(w) ((w) / TAIL1)
#ifdef MUT_TAIL_ONLY
#define LANE_FREE(t, p) (LOAD(t, LHEAD(p)) == TAIL_OF(LOAD(t, LANE(p))))
#else
#define LANE_FREE(t, p) ((LOAD(t, LANE(p)) & SCHED) == 0)
#endif
#endif

/* Publishes entry e. o: 0 when the lane's node must be pushed now. */
inline lane_publish(p, e, o, ok) {
  atomic { o = TAIL_OF(LOAD(p, LANE(p))); store_private(p, SLOT(p, o), e) };
#ifdef LANE_DRAFT
  atomic { SAY("publish tail %d\n", o + 1); store_release(p, LANE(p), o + 1) };
  atomic {
    exchange(p, LSCHED(p), 1, o);
    SAY("scheduled = 1, was %d\n", o)
  }
#else
  do
  :: o = LOAD(p, LANE(p));
#ifdef MUT_PEEK
     if
     :: o & SCHED -> atomic { store_release(p, LANE(p), o + TAIL1); break }
     :: else
     fi;
#endif
     atomic {
       cas(p, LANE(p), o, (o + TAIL1) | SCHED, ok);
       if
       :: ok ->
          SAY("publish tail %d, scheduled was %d\n", o / TAIL1 + 1, o & SCHED);
          break
       :: else
       fi
     }
  od;
  o = o & SCHED
#endif
}

/* The queue is closed and never held the node, so the loop has not seen the
   entry and never will: nobody else touches the lane now. */
inline lane_take_back(p, o) {
#ifndef MUT_NO_TAKE_BACK
#ifdef LANE_DRAFT
  atomic {
    SAY("take entry back\n");
    o = LOAD(p, LANE(p)) - 1;
    store(p, LANE(p), o);
    store(p, LSCHED(p), 0)
  }
#else
  atomic {
    SAY("take entry back\n");
    o = LOAD(p, LANE(p)) - TAIL1 - SCHED;
    store(p, LANE(p), o)
  }
#endif
#else
  skip
#endif
  ;
  o = 0
}

inline lane_post(p, e, o, ok) {
  lane_publish(p, e, o, ok);
  if
  :: o -> ok = true; o = 0
  :: else ->
     push(p, LNODE(p), o, ok);
     if
     :: !ok -> lane_take_back(p, o)
     :: else
     fi
  fi
}

/* The order rule: item i of producer p, as a list request when it may be. */
inline request(p, i, o, ok) {
#if defined(MUT_LIST_ALWAYS)
  push(p, NODE(p, i), o, ok)
#elif defined(MUT_CARRY_TAIL)
  atomic { carry[NODE(p, i)] = TAIL_OF(LOAD(p, LANE(p))) };
  push(p, NODE(p, i), o, ok)
#else
  if
  :: LANE_FREE(p, p) ->
#ifdef LANE_DRAFT
     if
     :: LOAD(p, LSCHED(p)) == 0 -> push(p, NODE(p, i), o, ok)
     :: else -> lane_post(p, i + 1, o, ok)
     fi
#else
     push(p, NODE(p, i), o, ok)
#endif
  :: else -> lane_post(p, i + 1, o, ok)
  fi
#endif
}

/* Runs entries up to tail, at most BATCH. Slots below tail are stable, so
   reading them at once or later is the same. */
inline lane_run(p, tail, e, left) {
  left = BATCH;
  do
  :: left > 0 && taken[p] < (tail) ->
     e = LOAD(LOOP, SLOT(p, taken[p]));
     taken[p]++;
     run_entry(p, e);
     left--
  :: else -> break
  od;
  left = 0;
  e = 0
#if defined(LANE_DRAFT) || defined(MUT_TAIL_ONLY)
  ;
  if
  :: LOAD(LOOP, LHEAD(p)) != taken[p] -> store_release(LOOP, LHEAD(p), taken[p])
  :: else
  fi
#endif
}

/* The loop serves a lane that it has popped or kept. */
inline lane_serve(p, o, e, left, ok) {
#ifdef LANE_DRAFT
  atomic {
    exchange(LOOP, LSCHED(p), 0, o);
    kept[p] = false;
    linked[LNODE(p)] = false;
    SAY("lane %d: scheduled = 0\n", p)
  };
  atomic {
    o = LOAD(LOOP, LANE(p));
    SAY("lane %d: taken %d, tail %d\n", p, taken[p], o);
    lane_run(p, o, e, left)
  };
  if
  :: taken[p] < o ->
#ifdef MUT_SETBACK_STORE
     atomic { store(LOOP, LSCHED(p), 1) };
     o = 0;
#else
     exchange(LOOP, LSCHED(p), 1, o);
#endif
     if /* when a producer was faster, its push will bring the lane */
     :: o == 0 ->
        atomic {
          assert(!linked[LNODE(p)]);
          linked[LNODE(p)] = true;
          kept[p] = true
        }
     :: else
     fi
  :: else
  fi
#else
  atomic {
    o = LOAD(LOOP, LANE(p));
    SAY("lane %d: taken %d, tail %d\n", p, taken[p], TAIL_OF(o));
    assert(o & SCHED);
    lane_run(p, TAIL_OF(o), e, left)
  };
  if
  :: taken[p] < TAIL_OF(o) -> kept[p] = true
  :: else ->
     atomic {
#ifdef MUT_CLEAR_BLIND
       d_step {
         DRAINED(LOOP) ->
         mem[LANE(p)] = mem[LANE(p)] & ~SCHED;
         ok = true
       }
#else
       cas(LOOP, LANE(p), o, o - SCHED, ok);
#endif
       kept[p] = !ok;
       if
       :: ok -> SAY("lane %d: scheduled = 0\n", p); linked[LNODE(p)] = false
       :: else
       fi;
       ok = false
     }
  fi
#endif
  ;
  o = 0
}
