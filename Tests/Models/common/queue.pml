/*
 * The queue's head word and the sleep around it, as DESIGN.md rules 3 and 4.
 *
 * HEAD is EMPTY, SLEEPING, CLOSED or the newest node of a push list linked
 * through NEXT(n). One CAS both pushes and decides to wake: whoever replaces
 * SLEEPING owes exactly one write to the eventfd.
 *
 * The eventfd is edge triggered and never read: any number of writes before a
 * poll make it return once, so a flag (token) says it all.
 *
 * With TWO_SLEEPS the loop sleeps on its parker (ptoken) until it lends libuv's
 * loop, then there; the word KIND (1: lent) tells wakers which.
 *
 * Spurious returns of poll (timer, I/O) are bounded by NAPS: without a bound
 * they would rescue every lost wake-up and hide it.
 *
 * The including model defines HEAD, NEXT(n), NNODE (node ids 1 .. NNODE) and
 * the loop's thread number LOOP.
 */
#define EMPTY 0
#define SLEEPING 254
#define CLOSED 255

#ifndef ON_TOKEN
#define ON_TOKEN skip
#endif
#ifndef NAPS
#define NAPS 1
#endif

bool freed;               /* the engine, and its eventfd */
bool token;               /* the eventfd has an edge that poll has not seen */
#ifdef TWO_SLEEPS
bool ptoken; /* the parker's */
bool lent;   /* the loop's own knowledge of KIND */
#endif
byte owed;                /* SLEEPING tags replaced or set, not yet paid for */
byte naps = NAPS;         /* spurious wakes left */
bool linked[NNODE + 1];   /* the node is in a list: twice would corrupt it */

/* At most one write per announced sleep, and none to a dead engine's fd. */
inline ring() {
  atomic {
    SAY("write(eventfd)\n");
    assert(owed > 0 && !freed);
    owed--;
    token = true
  }
}

#ifdef TWO_SLEEPS
inline ring_kind(kind) {
  atomic {
    SAY("wake, kind %d\n", kind);
    assert(owed > 0 && !freed);
    owed--;
    if
    :: kind -> token = true
    :: else -> ptoken = true
    fi;
    kind = 0
  }
}
#endif

/* ok: accepted. o is scratch. A node may be pushed again only once unlinked. */
inline push(t, n, o, ok) {
  do
  :: atomic {
       o = LOAD(t, HEAD);
       if
       :: o == CLOSED -> SAY("push %d: refused\n", n); ok = false; break
       :: else -> store_private(t, NEXT(n), (o == SLEEPING -> EMPTY : o))
       fi
     };
     atomic {
       cas(t, HEAD, o, n, ok);
       if
       :: ok ->
          SAY("push %d onto %d\n", n, o);
          assert(!linked[n]);
          linked[n] = true;
          break
       :: else
       fi
     }
  od;
#ifdef TWO_SLEEPS
  if
  :: ok && o == SLEEPING ->
#ifdef MUT_KIND_EARLY
     ring_kind(kind)
#else
     o = LOAD(t, KIND);
     ring_kind(o)
#endif
  :: else
  fi;
#else
  if
  :: ok && o == SLEEPING -> ring()
  :: else
  fi;
#endif
  o = 0
}

/* Grab all and reverse: list becomes the oldest node. The nodes belong to the
   loop alone now, so the reversal is one step and needs no store buffer: the
   loop does an RMW before anyone may link one of them again. */
inline grab(list, n, nx) {
  d_step {
    DRAINED(LOOP) ->
    n = mem[HEAD];
    SAY("grab list from %d\n", n);
    mem[HEAD] = EMPTY;
    assert(n != SLEEPING && n != CLOSED);
    list = EMPTY;
    do
    :: n != EMPTY ->
       nx = mem[NEXT(n)];
       mem[NEXT(n)] = list;
       list = n;
       n = nx
    :: else -> break
    od;
    n = 0;
    nx = 0
  }
}

/* Leaves the enclosing do when all is done: only then may the loop stay. */
#ifdef TWO_SLEEPS
inline poll(all_done) {
  if
  :: atomic { lent && token -> SAY("poll: token\n"); token = false }
  :: atomic { !lent && ptoken -> SAY("park: token\n"); ptoken = false }
  :: atomic { naps > 0 -> SAY("poll: spurious\n"); naps-- }
  :: atomic { all_done -> break }
  fi
}
#else
inline poll(all_done) {
  if
  :: atomic { token -> SAY("poll: token\n"); token = false; ON_TOKEN }
  :: atomic { naps > 0 -> SAY("poll: spurious\n"); naps-- }
  :: atomic { all_done -> break }
  fi
}
#endif

inline announce(ok) {
  atomic {
    cas(LOOP, HEAD, EMPTY, SLEEPING, ok);
    if
    :: ok -> SAY("announce sleep\n"); owed++
    :: else
    fi
  }
}

/* Fails when a pusher has replaced the tag: then the write is the pusher's. */
inline unannounce(ok) {
  atomic {
    cas(LOOP, HEAD, SLEEPING, EMPTY, ok);
    if
    :: ok -> SAY("take announcement back\n"); owed--
    :: else
    fi;
    ok = false
  }
}
