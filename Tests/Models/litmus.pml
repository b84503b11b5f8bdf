/*
 * LITMUS: does common/memory.pml do what it says? One classic test per switch;
 * run.sh knows which must fail under which memory model.
 *
 *   T_SB   store, then load the other's word, on both sides: both may read 0
 *          under TSO and PSO, never under SC. With T_RMW for the store: never.
 *   T_MP   data, then a relaxed flag: the reader may see the flag but not the
 *          data under PSO, never under SC and TSO. With T_RELEASE: never.
 *   T_OWN  a thread always sees its own youngest store: never fails.
 */
#define NT 2
#define X 0
#define Y 1
#define NW 2

#include "common/memory.pml"

byte r[2] = 9; /* what each thread read; 9: nothing yet */

#ifdef T_SB
proctype thread(byte me) {
  byte old;
#ifdef T_RMW
  exchange(me, me, 1, old);
#else
  atomic { store(me, me, 1) };
#endif
  atomic {
    r[me] = LOAD(me, 1 - me);
    assert(r[0] != 0 || r[1] != 0)
  }
}
#endif

#ifdef T_MP
proctype thread(byte me) {
  if
  :: me == 0 ->
     atomic { store(me, X, 1) };
#ifdef T_RELEASE
     atomic { store_release(me, Y, 1) }
#else
     atomic { store(me, Y, 1) }
#endif
  :: else ->
     r[0] = LOAD(me, Y);
     r[1] = LOAD(me, X);
     assert(!(r[0] == 1 && r[1] == 0))
  fi
}
#endif

#ifdef T_OWN
proctype thread(byte me) {
  atomic { store(me, me, 1) };
  atomic { store(me, me, 2) };
  assert(LOAD(me, me) == 2);
  atomic { store(me, me, 3) };
  assert(LOAD(me, me) == 3);
  DRAINED(me);
  assert(mem[me] == 3)
}
#endif

init {
  atomic { run thread(0); run thread(1) }
}
