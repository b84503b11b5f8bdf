/* Engines that wait for each other: of a cycle exactly one wait is refused,
 * naming the cycle, before it blocks; all others complete. */
#include "probe.h"

enum { MOST = 32, KINDS = 6 };

typedef struct ring ring;
typedef struct member {
  ring *ring;
  ob_engine *engine, *next;
  int index, rc, ended, kind;
  char detail[512];
} member;

struct ring {
  int count, entered, refused, completed;
  member members[MOST];
};

/* Waits for the next engine in one of the ways there are. */
static int wait_for_next(member *m) {
  ob_call_opts opts = test_call(handle_count, &m->ring->completed);
  ob_ticket *tickets[2];
  size_t index;
  int rc;
  if (m->kind < 3) {
    opts.flags = m->kind == 0 ? OB_CALL_SYNC : 0;
    opts.deadline_ns = m->kind == 2 ? OB_FOREVER - 1 : OB_FOREVER;
    return ob_call(m->next, &opts, NULL);
  }
  for (int i = 0; i < 2; i++)
    CHECK_EQ(ob_submit(&tickets[i], m->next, &opts), OB_OK);
  if (m->kind == 3)
    rc = ob_ticket_wait(tickets[1], OB_FOREVER, NULL);
  else if (m->kind == 4)
    rc = ob_wait_any(tickets, 2, OB_FOREVER, &index);
  else
    rc = ob_wait_all(tickets, 2, OB_FOREVER);
  for (int i = 0; i < 2; i++) ob_ticket_release(tickets[i]);
  return rc;
}

static void handle_member(ob_request *request, void *input, size_t size,
                          void *user) {
  member *m = user;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == m->engine);
  add(&m->ring->entered); /* nobody waits before all are here */
  while (get(&m->ring->entered) < m->ring->count) sched_yield();
  m->rc = wait_for_next(m);
  if (m->rc != OB_OK) {
    strncpy(m->detail, ob_last_error_detail(), sizeof m->detail - 1);
    add(&m->ring->refused);
  }
  ob_complete(request, OB_OK, ob_result_none());
  add(&m->ended);
}

/* "e2 -> e0 -> e1 -> e2": the way round from the one that was refused. */
static void check_named(const ring *r, const member *m) {
  char path[512] = "", name[24];
  size_t used = 0;
  for (int i = 0; i <= r->count; i++) {
    snprintf(name, sizeof name, "%se%d", i ? " -> " : "",
             (m->index + i) % r->count);
    memcpy(path + used, name, strlen(name) + 1);
    used += strlen(name);
  }
  if (strstr(m->detail, path) == NULL)
    test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", m->detail, path);
}

static void run_ring(ring *r, ob_engine **engines, uint64_t *seed, int kind) {
  ob_ticket *tickets[MOST];
  set(&r->entered, 0);
  set(&r->refused, 0);
  for (int i = 0; i < r->count; i++) {
    member *m = &r->members[i];
    ob_call_opts opts = test_call(handle_member, m);
    *m = (member){r, engines[i], engines[(i + 1) % r->count], .index = i};
    m->kind = kind < KINDS ? kind : (int)(test_random(seed) % KINDS);
    CHECK_EQ(ob_submit(&tickets[i], m->engine, &opts), OB_OK);
  }
  for (int i = 0; i < r->count; i++) {
    await_count(&r->members[i].ended, 1, "members of the cycle");
    CHECK_EQ(ob_ticket_wait(tickets[i], OB_FOREVER, NULL), OB_OK);
    ob_ticket_release(tickets[i]);
  }
  CHECK_EQ(get(&r->refused), 1);
  for (int i = 0; i < r->count; i++) {
    if (r->members[i].rc == OB_OK) continue;
    CHECK_EQ(r->members[i].rc, OB_EDEADLK);
    check_named(r, &r->members[i]);
  }
}

static void make_ring(ob_engine **engines, int count, const char *format) {
  for (int i = 0; i < count; i++) {
    ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
    char name[24];
    snprintf(name, sizeof name, format, i);
    opts.name = name;
    CHECK_EQ(ob_engine_start(&engines[i], &opts), OB_OK);
  }
}

TEST(one_wait_of_a_cycle_is_refused_and_named) {
  ob_engine *engines[MOST];
  static ring r;
  make_ring(engines, 4, "e%d");
  for (r.count = 2; r.count <= 4; r.count++)
    for (int kind = 0; kind < KINDS; kind++) run_ring(&r, engines, NULL, kind);
  for (int i = 0; i < 4; i++) test_stop(engines[i]);
}

TEST(random_cycles) {
  ob_engine *engines[MOST];
  static ring r;
  uint64_t seed = test_seed();
  int rounds = (int)test_ops(1000);
  make_ring(engines, 4, "e%d");
  while (rounds-- > 0) {
    r.count = 2 + (int)(test_random(&seed) % 3);
    run_ring(&r, engines, &seed, KINDS);
  }
  for (int i = 0; i < 4; i++) test_stop(engines[i]);
}

/* Longer than any text about it. */
TEST(a_cycle_of_32_engines_with_long_names) {
  ob_engine *engines[MOST];
  static ring r = {.count = MOST};
  member *refused = NULL;
  ob_ticket *tickets[MOST];
  make_ring(engines, MOST, "e%02d-0123456789a");
  for (int i = 0; i < MOST; i++) {
    member *m = &r.members[i];
    ob_call_opts opts = test_call(handle_member, m);
    *m = (member){&r, engines[i], engines[(i + 1) % MOST], .index = i};
    CHECK_EQ(ob_submit(&tickets[i], m->engine, &opts), OB_OK);
  }
  for (int i = 0; i < MOST; i++) {
    await_count(&r.members[i].ended, 1, "members of the cycle");
    if (r.members[i].rc != OB_OK) refused = &r.members[i];
    ob_ticket_release(tickets[i]);
  }
  CHECK_EQ(get(&r.refused), 1);
  CHECK_EQ(refused->rc, OB_EDEADLK);
  CHECK(strstr(refused->detail, " -> ") != NULL);
  for (int i = 0; i < MOST; i++) test_stop(engines[i]);
}

/* --- Waits that are no cycle --- */

TEST(engines_may_call_in_one_direction) {
  ob_engine *engines[3];
  static ring r = {.count = 1};
  make_ring(engines, 3, "e%d");
  for (int kind = 0; kind < KINDS; kind++) {
    for (int from = 0; from < 2; from++) {
      member *m = &r.members[from];
      ob_call_opts opts = test_call(handle_member, m);
      *m = (member){&r, engines[from], engines[from + 1], .kind = kind};
      CHECK_EQ(ob_call(engines[from], &opts, NULL), OB_OK);
      CHECK_EQ(m->rc, OB_OK);
    }
  }
  CHECK_EQ(get(&r.refused), 0);
  for (int i = 0; i < 3; i++) test_stop(engines[i]);
}

typedef struct both {
  ob_ticket *tickets[2];
  int waiting, waited;
} both;

static void handle_both(ob_request *request, void *input, size_t size,
                        void *user) {
  both *b = user;
  (void)input;
  (void)size;
  add(&b->waiting);
  CHECK_EQ(ob_wait_all(b->tickets, 2, OB_FOREVER), OB_OK);
  add(&b->waited);
  ob_complete(request, OB_OK, ob_result_none());
}

/* Calls an engine that is busy; walks the graph of waits on its way. */
static void handle_probe(ob_request *request, void *input, size_t size,
                         void *user) {
  ob_call_opts opts = test_call(handle_count, NULL);
  (void)input;
  (void)size;
  opts.deadline_ns = 20 * MS;
  ob_complete(request, ob_call(user, &opts, NULL), ob_result_none());
}

/* A loop waits for two engines; one answers and is destroyed, as it may be,
 * while the wait for the other goes on. The graph must forget it. */
TEST(a_wait_outlives_one_of_its_engines) {
  ob_engine *engines[4];
  both b = {.waiting = 0};
  ob_call_opts opts = test_call(handle_both, &b), probe;
  ob_request *requests[2];
  ob_ticket *waiter;
  make_ring(engines, 4, "e%d");
  for (int i = 0; i < 2; i++)
    requests[i] = keep(engines[i], NULL, &b.tickets[i]);
  CHECK_EQ(ob_submit(&waiter, engines[2], &opts), OB_OK);
  test_await(&b.waiting);
  test_sleep_ms(5); /* nothing tells that a thread has parked */
  CHECK_EQ(ob_complete(requests[0], OB_OK, ob_result_none()), OB_OK);
  CHECK_EQ(ob_ticket_wait(b.tickets[0], OB_FOREVER, NULL), OB_OK);
  test_stop(engines[0]);
  probe = test_call(handle_probe, engines[2]);
  CHECK_EQ(ob_call(engines[3], &probe, NULL), OB_ETIMEDOUT);
  CHECK_EQ(ob_complete(requests[1], OB_OK, ob_result_none()), OB_OK);
  CHECK_EQ(ob_ticket_wait(waiter, OB_FOREVER, NULL), OB_OK);
  CHECK_EQ(b.waited, 1);
  for (int i = 0; i < 2; i++) ob_ticket_release(b.tickets[i]);
  ob_ticket_release(waiter);
  for (int i = 1; i < 4; i++) test_stop(engines[i]);
}

/* --- A full queue on the way --- */

typedef struct crowd {
  ob_engine *a, *b;
  int entered, gate, rc, ended;
  char detail[512];
} crowd;

/* On a: its call has no room in b at first, then waits in b's queue. */
static void handle_crowd(ob_request *request, void *input, size_t size,
                         void *user) {
  crowd *c = user;
  ob_call_opts opts = test_call(handle_count, NULL);
  (void)input;
  (void)size;
  add(&c->entered);
  CHECK_EQ(ob_call(c->b, &opts, NULL), OB_OK);
  ob_complete(request, OB_OK, ob_result_none());
  add(&c->ended);
}

/* On b: starting has made room; calls a once a's call is in the queue. */
static void handle_behind(ob_request *request, void *input, size_t size,
                          void *user) {
  crowd *c = user;
  ob_call_opts opts = test_call(handle_count, NULL);
  ob_stats stats = OB_STATS_INIT;
  (void)input;
  (void)size;
  do CHECK_EQ(ob_engine_stats(c->b, &stats), OB_OK);
  while (stats.submitted < 3);
  c->rc = ob_call(c->a, &opts, NULL);
  ob_complete(request, OB_OK, ob_result_none());
  add(&c->ended);
}

static void room_for_one(ob_engine_opts *opts) {
  opts->queue_limit = 1;
}

/* A wait for room is a wait on the way to another one, which still counts. */
TEST(a_wait_for_room_does_not_hide_the_call) {
  crowd c = {.a = test_engine(NULL), .b = test_engine(room_for_one)};
  ob_call_opts crowd_opts = test_call(handle_crowd, &c);
  ob_call_opts behind_opts = test_call(handle_behind, &c);
  ob_stats stats = OB_STATS_INIT;
  test_blocker blocker;
  test_block_loop(c.b, &blocker);
  CHECK_EQ(ob_submit(NULL, c.b, &behind_opts), OB_OK); /* b is full */
  CHECK_EQ(ob_submit(NULL, c.a, &crowd_opts), OB_OK);
  test_await(&c.entered);
  CHECK_EQ(ob_engine_stats(c.b, &stats), OB_OK);
  CHECK_EQ(stats.submitted, 2);
  test_unblock_loop(&blocker);
  await_count(&c.ended, 2, "both handlers");
  CHECK_EQ(c.rc, OB_EDEADLK);
  test_stop(c.a);
  test_stop(c.b);
}
