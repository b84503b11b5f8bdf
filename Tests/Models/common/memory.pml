/*
 * Memory models for all models of this folder: words, store buffers, RMW.
 *
 * Pick one with -DSC (a store is visible at once), -DTSO (x86: one FIFO store
 * buffer per thread) or -DPSO (one FIFO per thread and address; a release
 * store still waits for every store before it). In all three an RMW waits
 * until the buffer of its thread is empty and then acts on memory directly.
 *
 * Not covered: loads that are satisfied early (ARM, POWER), and RMWs weaker
 * than a full fence. Where a protocol must survive those, it may only rely on
 * RMWs of the SAME word, which are totally ordered everywhere; the models
 * that pass here keep to that (see README.md, 'What a pass means').
 *
 * The including model defines, before the include:
 *   NT      threads (0 .. NT-1), at most 6
 *   NW      words; each is a byte, all start at 0
 *
 * Use: LOAD is an expression (so no inline parameter may be called used,
 * at, val or rel). store* belong inside atomic or d_step. The RMWs are one
 * step and may block (buffer not empty), so they come first in an atomic.
 *
 * SAY tells the story when a trail is replayed (run.sh prints how); pan skips
 * it. Inside atomic or d_step only, so that it adds no state.
 */
#if defined(SC) + defined(TSO) + defined(PSO) != 1
#error "choose one memory model: -DSC, -DTSO or -DPSO"
#endif

#define SAY(...) printf(__VA_ARGS__)

byte mem[NW];

#ifdef SC

#define LOAD(t, a) mem[a]
#define DRAINED(t) true

inline store(t, a, v) { mem[a] = v }
inline store_release(t, a, v) { mem[a] = v }

#else

/* Deep enough: the assertion in put() proves that no run needs more. */
#define SB 4

typedef buffer {
  byte used;     /* entries in use, the oldest is entry 0 */
  byte at[SB];   /* address */
  byte val[SB];  /* value */
  bit rel[SB];   /* release: may not overtake an older entry */
};
buffer sb[NT];

#define DRAINED(t) (sb[t].used == 0)

/* A thread sees its own youngest store to the word first. */
#define AT(t, i, a) (sb[t].used > i && sb[t].at[i] == (a))
#define LOAD(t, a) \
  (AT(t, 3, a) -> sb[t].val[3] : \
  (AT(t, 2, a) -> sb[t].val[2] : \
  (AT(t, 1, a) -> sb[t].val[1] : \
  (AT(t, 0, a) -> sb[t].val[0] : mem[a]))))

inline put(t, a, v, r) {
  assert(sb[t].used < SB);
  sb[t].at[sb[t].used] = a;
  sb[t].val[sb[t].used] = v;
  sb[t].rel[sb[t].used] = r;
  sb[t].used++
}
inline store(t, a, v) { put(t, a, v, 0) }
inline store_release(t, a, v) { put(t, a, v, 1) }

/* Closes the gap at i. Unused entries are zeroed: fewer distinct states. */
inline flush(t, i) {
  SAY("thread %d: word %d = %d arrives\n", t, sb[t].at[i], sb[t].val[i]);
  mem[sb[t].at[i]] = sb[t].val[i];
  if
  :: i < 1 ->
     sb[t].at[0] = sb[t].at[1];
     sb[t].val[0] = sb[t].val[1];
     sb[t].rel[0] = sb[t].rel[1]
  :: else
  fi;
  if
  :: i < 2 ->
     sb[t].at[1] = sb[t].at[2];
     sb[t].val[1] = sb[t].val[2];
     sb[t].rel[1] = sb[t].rel[2]
  :: else
  fi;
  if
  :: i < 3 ->
     sb[t].at[2] = sb[t].at[3];
     sb[t].val[2] = sb[t].val[3];
     sb[t].rel[2] = sb[t].rel[3]
  :: else
  fi;
  sb[t].at[3] = 0;
  sb[t].val[3] = 0;
  sb[t].rel[3] = 0;
  sb[t].used--
}

#ifdef PSO
#define CAN1(t) (sb[t].used > 1 && !sb[t].rel[1] && sb[t].at[1] != sb[t].at[0])
#define CAN2(t) (sb[t].used > 2 && !sb[t].rel[2] && \
  sb[t].at[2] != sb[t].at[0] && sb[t].at[2] != sb[t].at[1])
#define CAN3(t) (sb[t].used > 3 && !sb[t].rel[3] && \
  sb[t].at[3] != sb[t].at[0] && sb[t].at[3] != sb[t].at[1] && \
  sb[t].at[3] != sb[t].at[2])
#define FLUSHES(t) \
  :: d_step { sb[t].used > 0 -> flush(t, 0) } \
  :: d_step { CAN1(t) -> flush(t, 1) } \
  :: d_step { CAN2(t) -> flush(t, 2) } \
  :: d_step { CAN3(t) -> flush(t, 3) }
#else
#define FLUSHES(t) :: d_step { sb[t].used > 0 -> flush(t, 0) }
#endif

/* One flusher serves every buffer: it has a single control state, so this is
   the same as one process per thread, in fewer states. */
active proctype flusher() {
end:
  do
  FLUSHES(0)
  FLUSHES(1)
#if NT > 2
  FLUSHES(2)
#endif
#if NT > 3
  FLUSHES(3)
#endif
#if NT > 4
  FLUSHES(4)
#endif
#if NT > 5
  FLUSHES(5)
#endif
  od
}

#endif

/* For a word that nobody else reads before a later RMW or release store of this
   thread, so that the delay cannot show: -DDIRECT leaves it out where the state
   space needs it. Other runs keep it, as proof. */
#ifdef DIRECT
inline store_private(t, a, v) { mem[a] = v }
#else
inline store_private(t, a, v) { store(t, a, v) }
#endif

inline exchange(t, a, new, old) {
  d_step { DRAINED(t) -> old = mem[a]; mem[a] = new }
}

inline cas(t, a, old, new, ok) {
  d_step {
    DRAINED(t) ->
    ok = (mem[a] == (old));
    if
    :: ok -> mem[a] = new
    :: else
    fi
  }
}

inline fetch_or(t, a, bits, old) {
  d_step { DRAINED(t) -> old = mem[a]; mem[a] = old | (bits) }
}

inline fetch_sub(t, a, old) {
  d_step { DRAINED(t) -> old = mem[a]; mem[a] = old - 1 }
}
