/* Nesting: what a loop thread may wait for. Synchronous handlers run inline;
 * every other wait for the own engine is refused before anything runs, and of a
 * cycle of engines exactly one wait is refused, naming the cycle. */
#include "probe.h"

/* --- One engine --- */

typedef struct nested {
  ob_engine *engine;
  int depth, order[8], count, kept_rc;
  ob_ticket *ticket;
} nested;

static void handle_last(ob_request *request, void *input, size_t size,
                        void *user) {
  nested *n = user;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == n->engine);
  n->order[n->count++] = 100;
  ob_complete(request, 100, ob_result_none());
}

static void handle_nested(ob_request *request, void *input, size_t size,
                          void *user) {
  nested *n = user;
  int level = n->depth++;
  ob_call_opts opts = test_call(level < 3 ? handle_nested : handle_last, n);
  ob_result result;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() == n->engine);
  opts.flags = OB_CALL_SYNC;
  opts.deadline_ns = level % 2 ? OB_FOREVER : 60 * S;
  CHECK_EQ(ob_call(n->engine, &opts, &result), level < 3 ? level + 1 : 100);
  n->order[n->count++] = level;
  ob_complete(request, level, ob_result_none());
}

TEST(synchronous_handlers_nest_inline) {
  nested n = {.engine = test_engine(NULL)};
  ob_call_opts opts = test_call(handle_nested, &n);
  CHECK_EQ(ob_call(n.engine, &opts, NULL), 0);
  CHECK_EQ(n.count, 5);
  for (int i = 0; i < 5; i++) CHECK_EQ(n.order[i], i == 0 ? 100 : 4 - i);
  test_stop(n.engine);
}

static void count_order(void *arg, int status) {
  nested *n = arg;
  CHECK_EQ(status, OB_OK);
  n->order[n->count++] = 1;
}

/* Posts, then calls: the inline call overtakes. */
static void handle_overtaken(ob_request *request, void *input, size_t size,
                             void *user) {
  nested *n = user;
  ob_call_opts opts = test_call(handle_last, n);
  (void)input;
  (void)size;
  CHECK_EQ(ob_post(n->engine, count_order, n), OB_OK);
  opts.flags = OB_CALL_SYNC;
  CHECK_EQ(ob_call(n->engine, &opts, NULL), 100);
  CHECK_EQ(n->count, 1);
  opts.flags = 0;
  CHECK_EQ(ob_submit(&n->ticket, n->engine, &opts), OB_OK);
  CHECK_EQ(n->count, 1);
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(inline_calls_overtake_and_submissions_queue) {
  nested n = {.engine = test_engine(NULL)};
  ob_call_opts opts = test_call(handle_overtaken, &n);
  CHECK_EQ(ob_call(n.engine, &opts, NULL), OB_OK);
  CHECK_EQ(ob_ticket_wait(n.ticket, OB_FOREVER, NULL), 100);
  ob_ticket_release(n.ticket);
  CHECK_EQ(n.count, 3);
  CHECK_EQ(n.order[0] * 10000 + n.order[1] * 1000 + n.order[2], 1001100);
  test_stop(n.engine);
}

/* Everything that would wait for this very loop. */
static void handle_refused(ob_request *request, void *input, size_t size,
                           void *user) {
  nested *n = user;
  ob_call_opts opts = test_call(handle_last, n);
  ob_ticket *tickets[2];
  ob_result result;
  size_t index;
  int status;
  (void)input;
  (void)size;
  opts.name = "inner";
  for (int i = 0; i < 4; i++) {
    opts.flags = i % 2 ? OB_CALL_OFFLOAD : 0;
    opts.deadline_ns = i / 2 ? 60 * S : OB_FOREVER;
    CHECK_FAILS(ob_call(n->engine, &opts, &result), OB_EDEADLK, "\"inner\"");
    CHECK(strstr(ob_last_error_detail(), "OB_CALL_SYNC") != NULL);
    CHECK_EQ(result.size, 0);
  }
  CHECK_EQ(n->count, 0);
  opts.flags = 0;
  CHECK_EQ(ob_submit(&tickets[0], n->engine, &opts), OB_OK);
  tickets[1] = n->ticket; /* has ended */
  CHECK_EQ(ob_ticket_wait(tickets[1], OB_FOREVER, NULL), 100);
  CHECK_FAILS(ob_ticket_wait(tickets[0], OB_FOREVER, NULL), OB_EDEADLK, "own");
  CHECK_FAILS(ob_ticket_wait(tickets[0], 1, NULL), OB_EDEADLK, "own");
  CHECK_FAILS(ob_wait_all(tickets, 2, OB_FOREVER), OB_EDEADLK, "own");
  CHECK_FAILS(ob_wait_any(tickets, 1, OB_FOREVER, &index), OB_EDEADLK, "own");
  CHECK_EQ(ob_wait_any(tickets, 2, OB_FOREVER, &index), OB_OK);
  CHECK_EQ(index, 1);
  CHECK_EQ(ob_ticket_poll(tickets[0], &status), 0);
  CHECK_EQ(n->count, 0);
  n->kept_rc = ob_ticket_cancel(tickets[0]);
  ob_ticket_release(tickets[0]);
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(waiting_for_the_own_loop_is_refused_before_anything_runs) {
  nested n = {.engine = test_engine(NULL)};
  ob_call_opts last = test_call(handle_last, &n);
  ob_call_opts opts = test_call(handle_refused, &n);
  CHECK_EQ(ob_submit(&n.ticket, n.engine, &last), OB_OK);
  CHECK_EQ(ob_ticket_wait(n.ticket, OB_FOREVER, NULL), 100);
  n.count = 0;
  CHECK_EQ(ob_call(n.engine, &opts, NULL), OB_OK);
  CHECK_EQ(n.kept_rc, OB_OK);
  ob_ticket_release(n.ticket);
  test_stop(n.engine);
  CHECK_EQ(n.count, 0);
}

/* --- Engines that wait for each other --- */

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
  r->entered = r->refused = r->completed = 0;
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
  make_ring(engines, MOST, "e%d-0123456789abc" + 0);
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

/* A loop waits for two engines; one answers and is destroyed, as it may be,
 * while the wait for the other goes on. The graph must forget it. */
TEST(a_wait_outlives_one_of_its_engines) {
  ob_engine *engines[4];
  both b = {.waiting = 0};
  ob_call_opts opts = test_call(handle_both, &b), leaf;
  ob_request *requests[2];
  ob_ticket *waiter, *caller;
  static ring r = {.count = 1};
  make_ring(engines, 4, "e%d");
  for (int i = 0; i < 2; i++)
    requests[i] = keep(engines[i], NULL, &b.tickets[i]);
  CHECK_EQ(ob_submit(&waiter, engines[2], &opts), OB_OK);
  test_await(&b.waiting);
  test_sleep_ms(5); /* nothing tells that a thread has parked */
  CHECK_EQ(ob_complete(requests[0], OB_OK, ob_result_none()), OB_OK);
  CHECK_EQ(ob_ticket_wait(b.tickets[0], OB_FOREVER, NULL), OB_OK);
  test_stop(engines[0]);
  r.members[0] = (member){&r, engines[3], engines[2], .index = 0};
  leaf = test_call(handle_member, &r.members[0]);
  CHECK_EQ(ob_submit(&caller, engines[3], &leaf), OB_OK); /* walks the graph */
  CHECK_EQ(ob_complete(requests[1], OB_OK, ob_result_none()), OB_OK);
  CHECK_EQ(ob_ticket_wait(waiter, OB_FOREVER, NULL), OB_OK);
  CHECK_EQ(ob_ticket_wait(caller, OB_FOREVER, NULL), OB_OK);
  CHECK_EQ(r.members[0].rc, OB_OK);
  CHECK_EQ(b.waited, 1);
  for (int i = 0; i < 2; i++) ob_ticket_release(b.tickets[i]);
  ob_ticket_release(waiter);
  ob_ticket_release(caller);
  for (int i = 1; i < 4; i++) test_stop(engines[i]);
}
