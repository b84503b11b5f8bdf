/* prim.h, in whichever variant is compiled: parking, locks, clocks. Parked and
 * blocked threads sleep, wake-ups are never lost, nothing is a cancellation
 * point, and errno stays as it was. */
#include "internal.h"

#include <errno.h>

#include "child.h"
#include "probe.h"

/* Time that this thread has been on a CPU. */
static uint64_t cpu_time(void) {
  struct timespec ts;
  CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0);
  return (uint64_t)ts.tv_sec * S + (uint64_t)ts.tv_nsec;
}

/* --- Parking --- */

TEST(a_token_lets_one_park_through) {
  ob__parker parker;
  ob__parker_init(&parker);
  for (int i = 0; i < 100; i++) {
    ob__unpark(&parker);
    if (i % 2) ob__unpark(&parker); /* they do not add up */
    CHECK_EQ(parker.token, 1);
    ob__park(&parker, OB_FOREVER);
    CHECK_EQ(parker.token, 0);
  }
}

/* It sleeps that long; a rare spurious return is part of the contract. */
TEST(a_park_ends_at_its_deadline) {
  ob__parker parker;
  int early = 0;
  uint64_t burnt = cpu_time();
  ob__parker_init(&parker);
  for (int i = 0; i < 20; i++) {
    uint64_t deadline = ob__deadline(10 * MS);
    ob__park(&parker, deadline);
    early += ob__now() < deadline;
    CHECK(ob__now() < deadline + 10 * S);
    CHECK_EQ(parker.token, 0);
  }
  CHECK(early < 5);
  CHECK(cpu_time() - burnt < 100 * MS);
  for (int i = 0; i < 1000; i++) ob__park(&parker, i < 500 ? 0 : ob__now());
}

typedef struct pair {
  ob__parker parkers[2];
  int turn, rounds;
} pair;

static void *play(void *arg) {
  pair *p = arg;
  for (int i = 0; i < p->rounds; i++) {
    while (get(&p->turn) != 1) ob__park(&p->parkers[1], OB_FOREVER);
    set(&p->turn, 0);
    ob__unpark(&p->parkers[0]);
  }
  return NULL;
}

/* One lost wake-up and both sleep for ever. */
TEST(ping_pong) {
  pair p = {.rounds = (int)test_ops(100000)};
  pthread_t thread;
  for (int i = 0; i < 2; i++) ob__parker_init(&p.parkers[i]);
  thread = test_thread(play, &p);
  for (int i = 0; i < p.rounds; i++) {
    set(&p.turn, 1);
    ob__unpark(&p.parkers[1]);
    while (get(&p.turn) != 0)
      ob__park(&p.parkers[0], i % 2 ? OB_FOREVER : ob__deadline(3600 * S));
  }
  test_join(thread);
}

enum { WAKERS = 4 };

typedef struct crowd {
  ob__parker parker;
  int wakes, done, rounds;
} crowd;

static void *wake(void *arg) {
  crowd *c = arg;
  for (int i = 0; i < c->rounds; i++) {
    add(&c->wakes);
    ob__unpark(&c->parker);
    if (i % 64 == 0) sched_yield();
  }
  return NULL;
}

TEST(several_threads_wake_one) {
  crowd c = {.rounds = (int)test_ops(50000)};
  pthread_t threads[WAKERS];
  ob__parker_init(&c.parker);
  for (int i = 0; i < WAKERS; i++) threads[i] = test_thread(wake, &c);
  /* Its last wake-up comes after its last count. */
  while (get(&c.wakes) < WAKERS * c.rounds) ob__park(&c.parker, OB_FOREVER);
  for (int i = 0; i < WAKERS; i++) test_join(threads[i]);
}

/* --- Several at once --- */

enum { CROWD = 70, CROWD_ROUNDS = 300 }; /* more than sleep on two words */

typedef struct sleeper {
  ob__parker parker;
  int round; /* it may go on to this one */
  struct dormitory *home;
} sleeper;

typedef struct dormitory {
  sleeper sleepers[CROWD];
  int up; /* in this round */
} dormitory;

static void *sleep_rounds(void *arg) {
  sleeper *s = arg;
  for (int round = 1; round <= CROWD_ROUNDS; round++) {
    while (get(&s->round) < round) ob__park(&s->parker, OB_FOREVER);
    add(&s->home->up);
  }
  return NULL;
}

/* Every round ends only when all are up: one left asleep, and it never does. */
TEST(all_of_a_crowd_are_woken) {
  static dormitory home;
  ob__parker *parkers[CROWD];
  pthread_t threads[CROWD];
  for (int i = 0; i < CROWD; i++) {
    home.sleepers[i].home = &home;
    parkers[i] = &home.sleepers[i].parker;
    ob__parker_init(parkers[i]);
  }
  for (int i = 0; i < CROWD; i++)
    threads[i] = test_thread(sleep_rounds, &home.sleepers[i]);
  ob__unpark_all(parkers, 0);
  for (int round = 1; round <= CROWD_ROUNDS; round++) {
    set(&home.up, 0);
    for (int i = 0; i < CROWD; i++) set(&home.sleepers[i].round, round);
    ob__unpark_all(parkers, CROWD);
    while (get(&home.up) < CROWD) sched_yield();
  }
  for (int i = 0; i < CROWD; i++) test_join(threads[i]);
}

typedef struct bystander {
  ob__parker parker;
  int ended, spurious;
} bystander;

static void *stand_by(void *arg) {
  bystander *b = arg;
  while (!get(&b->ended)) {
    ob__park(&b->parker, OB_FOREVER);
    if (!get(&b->ended)) add(&b->spurious);
  }
  return NULL;
}

/* Asleep on the same word, but another bit: it sleeps on. Once in a while it
 * has read the count before somebody else's wake-up and looks again. */
TEST(a_wake_up_is_for_whom_it_is_meant) {
  bystander b = {.ended = 0};
  crowd c = {.rounds = 20000};
  pthread_t sleeping, waking;
  ob__parker_init(&b.parker);
  ob__parker_init(&c.parker);
  sleeping = test_thread(stand_by, &b);
  waking = test_thread(wake, &c);
  while (get(&c.wakes) < c.rounds) ob__park(&c.parker, OB_FOREVER);
  test_join(waking);
  set(&b.ended, 1);
  ob__unpark(&b.parker);
  test_join(sleeping);
  CHECK(b.spurious < c.rounds / 100);
}

/* A late wake-up may be under way when a host forks. */
static int stopped;

static void *wake_always(void *arg) {
  ob__thread *self = arg;
  while (!get(&stopped)) ob__unpark(&self->parker);
  return NULL;
}
static void park_in_child(void *arg) {
  ob__thread *self = arg;
  ob__park(&self->parker, 0);
  ob__unpark(&self->parker);
}
TEST(a_childs_parker_is_free) {
  LEAVE_OUT_IF(TOOL_THREADS);            /* a fork beside threads */
  ob_engine *engine = test_engine(NULL); /* arranges for forks */
  ob__thread *self = ob__thread_self();
  pthread_t thread = test_thread(wake_always, self);
  for (int i = 0; i < 100; i++) in_child(park_in_child, self);
  set(&stopped, 1);
  test_join(thread);
  test_stop(engine);
}

TEST(errno_is_left_alone) {
  ob__parker parker;
  ob__parker_init(&parker);
  errno = EXDEV;
  ob__park(&parker, ob__deadline(MS)); /* ETIMEDOUT inside */
  CHECK_EQ(errno, EXDEV);
  ob__unpark(&parker);
  CHECK_EQ(errno, EXDEV);
}

static void *park_cancelled(void *arg) {
  ob__parker *parker = arg;
  CHECK(pthread_cancel(pthread_self()) == 0);
  ob__park(parker, ob__deadline(5 * MS));
  ob__unpark(parker);
  ob__park(parker, OB_FOREVER);
  parker->token = 7; /* it got here */
  pthread_testcancel();
  return NULL;
}

TEST(parking_is_no_cancellation_point) {
  ob__parker parker;
  void *value;
  pthread_t thread;
  ob__parker_init(&parker);
  thread = test_thread(park_cancelled, &parker);
  CHECK(pthread_join(thread, &value) == 0);
  CHECK(value == PTHREAD_CANCELED);
  CHECK_EQ(parker.token, 7);
}

/* --- Locks --- */

typedef struct guarded {
  ob__lock lock;
  int inside, rounds;
  uint64_t count; /* not atomic */
} guarded;

static void *count_up(void *arg) {
  guarded *g = arg;
  for (int i = 0; i < g->rounds; i++) {
    ob__lock_take(&g->lock);
    CHECK_EQ(g->inside++, 0);
    g->count++;
    if (i % 256 == 0) sched_yield(); /* with the lock held */
    CHECK_EQ(--g->inside, 0);
    ob__lock_give(&g->lock);
  }
  return NULL;
}

TEST(a_lock_lets_one_in) {
  guarded g = {.rounds = (int)test_ops(200000)};
  pthread_t threads[4];
  ob__lock_init(&g.lock);
  for (int i = 0; i < 4; i++) threads[i] = test_thread(count_up, &g);
  for (int i = 0; i < 4; i++) test_join(threads[i]);
  CHECK_EQ(g.count, 4u * (unsigned)g.rounds);
}

static void *take_once(void *arg) {
  guarded *g = arg;
  uint64_t burnt = cpu_time();
  add(&g->inside);
  ob__lock_take(&g->lock);
  CHECK(cpu_time() - burnt < 20 * MS); /* slept meanwhile */
  g->count++;
  ob__lock_give(&g->lock);
  return NULL;
}

TEST(who_waits_for_a_lock_sleeps) {
  guarded g = {.rounds = 0};
  pthread_t threads[3];
  ob__lock_init(&g.lock);
  ob__lock_take(&g.lock);
  for (int i = 0; i < 3; i++) threads[i] = test_thread(take_once, &g);
  await_count(&g.inside, 3, "threads at the lock");
  test_sleep_ms(60); /* the time that they must not burn */
  CHECK_EQ(g.count, 0);
  ob__lock_give(&g.lock);
  for (int i = 0; i < 3; i++) test_join(threads[i]);
  CHECK_EQ(g.count, 3);
}

/* --- Clocks and conditions --- */

TEST(deadlines_saturate) {
  uint64_t before = ob__now(), due = ob__deadline(S);
  CHECK(due >= before + S && due <= ob__now() + S);
  CHECK(ob__deadline(OB_FOREVER) == OB_FOREVER);
  CHECK(ob__deadline(OB_FOREVER - 1) == OB_FOREVER);
  CHECK(ob__deadline(OB_FOREVER - before) == OB_FOREVER);
  CHECK(ob__deadline(OB_FOREVER / 2) < OB_FOREVER);
  CHECK(ob__deadline(0) >= before);
  for (int i = 0; i < 1000; i++) {
    uint64_t now = ob__now();
    CHECK(now >= before);
    before = now;
  }
  CHECK(ob__cpu() >= -1 && ob__cpu() < 4096);
}

TEST(a_condition_wait_ends_at_its_deadline) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t cond;
  CHECK(ob__cond_init(&cond) == 0);
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < 5; i++) {
    uint64_t deadline = ob__deadline(5 * MS);
    while (ob__cond_wait(&cond, &mutex, deadline) == OB_OK) {
    }
    CHECK(ob__now() >= deadline && ob__now() < deadline + 10 * S);
  }
  CHECK_EQ(ob__cond_wait(&cond, &mutex, 1), OB_ETIMEDOUT);
  pthread_mutex_unlock(&mutex);
  pthread_cond_destroy(&cond);
}
