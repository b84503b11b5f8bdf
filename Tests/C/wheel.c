/* The timer wheel against a naive model on a virtual clock: every timer fires
 * once, in the order of its tick, never early and at the first advance that
 * reaches it, at all distances from none to beyond the wheel's range. */
#include "wheel.h"

#include "probe.h"

enum { TIMERS = 200 };
#define DAY (86400 * S)

typedef struct model_timer {
  ob_timer timer; /* first */
  struct model *model;
  uint64_t tick; /* when it is to fire */
  int armed, index;
} model_timer;

typedef struct model {
  ob__wheel wheel;
  model_timer *timers[TIMERS]; /* NULL: freed by its own callback */
  uint64_t now, target, last_tick, seed, fired;
  int armed, flushing;
} model;

/* Near ones mostly, and some at each distance that the wheel treats apart. */
static uint64_t random_distance(uint64_t *seed) {
  static const uint64_t ranges[] = {MS,        64 * MS,   64 * 64 * MS,
                                    300 * S,   20000 * S, 30 * DAY,
                                    900 * DAY, 4000 * DAY};
  uint64_t kind = test_random(seed) % 20;
  if (kind >= 12) return test_random(seed) % (100 * MS);
  if (kind == 11) return 0;
  if (kind == 10) return OB_FOREVER;
  if (kind == 9) return (test_random(seed) % 200) * MS; /* to the tick */
  return test_random(seed) % ranges[kind % 8];
}

static void on_fire(ob_timer *timer, int status);

static void arm(model *m, model_timer *t) {
  uint64_t away = random_distance(&m->seed), due, base = m->wheel.base_ns;
  int fresh = test_random(&m->seed) % 2 == 0; /* settled before time goes on */
  due = away > OB_FOREVER - m->now ? OB_FOREVER : m->now + away;
  if (!fresh && test_random(&m->seed) % 16 == 0)
    due = m->now - m->now % S; /* past */
  if (!t->armed) m->armed++;
  t->armed = 1;
  uint64_t elapsed = fresh ? (m->now - base) / MS : m->wheel.elapsed;
  t->tick = due <= base ? 0 : (due - base - 1) / MS + 1;
  if (t->tick <= elapsed) t->tick = elapsed + 1;
  t->timer.fire = on_fire;
  t->timer.due_ns = fresh ? away : due;
  if (fresh)
    ob__wheel_add_fresh(&m->wheel, &t->timer);
  else
    ob__wheel_add(&m->wheel, &t->timer);
  CHECK(t->timer.slot != 0);
}

static void disarm(model *m, model_timer *t) {
  CHECK_EQ(ob__wheel_remove(&m->wheel, &t->timer), t->armed);
  if (t->armed) m->armed--;
  t->armed = 0;
  CHECK_EQ(t->timer.slot, 0);
}

static model_timer *make_timer(model *m, int index) {
  model_timer *t = calloc(1, sizeof *t);
  CHECK(t != NULL);
  t->model = m;
  t->index = index;
  m->timers[index] = t;
  return t;
}

static model_timer *pick(model *m) {
  int index = (int)(test_random(&m->seed) % TIMERS);
  return m->timers[index] != NULL ? m->timers[index] : make_timer(m, index);
}

static void on_fire(ob_timer *timer, int status) {
  model_timer *t = (model_timer *)timer;
  model *m = t->model;
  uint64_t kind = test_random(&m->seed) % 10;
  CHECK_EQ(t->armed, 1);
  CHECK_EQ(timer->slot, 0);
  t->armed = 0;
  m->armed--;
  m->fired++;
  if (m->flushing) {
    CHECK_EQ(status, OB_ESHUTDOWN);
    return;
  }
  CHECK_EQ(status, OB_OK);
  CHECK(m->now >= timer->due_ns);
  CHECK(t->tick <= m->target);
  CHECK(t->tick >= m->last_tick);
  m->last_tick = t->tick;
  if (kind == 0) { /* it is the callback's, and may go */
    m->timers[t->index] = NULL;
    free(t);
  } else if (kind < 4) {
    arm(m, t);
  }
  if (kind >= 8) disarm(m, pick(m)); /* perhaps one that is about to fire */
  if (kind == 7) arm(m, pick(m));
}

static void check_model(model *m) {
  uint64_t next = ob__wheel_next(&m->wheel), first = OB_FOREVER;
  for (int i = 0; i < TIMERS; i++) {
    model_timer *t = m->timers[i];
    if (t == NULL || !t->armed) continue;
    if (t->tick <= m->target)
      test_fail(__FILE__, __LINE__, "a timer is late by %llu ms",
                (unsigned long long)(m->target - t->tick));
    if (t->tick < first) first = t->tick;
  }
  CHECK_EQ(m->wheel.count, m->armed);
  if (m->armed == 0) {
    CHECK(next == OB_FOREVER);
    return;
  }
  /* Asked again by then, the wheel is never late, and it gets ahead. */
  CHECK(first > (OB_FOREVER - m->wheel.base_ns) / MS ||
        next <= m->wheel.base_ns + first * MS);
  CHECK(next > m->now - MS);
}

static void advance(model *m, uint64_t to) {
  m->now = to;
  m->target = (to - m->wheel.base_ns) / MS;
  m->last_tick = 0;
  ob__wheel_advance(&m->wheel, to);
  ob__wheel_settle(&m->wheel, to);
  check_model(m);
}

static uint64_t random_step(model *m) {
  uint64_t kind = test_random(&m->seed) % 32;
  if (kind == 0) return test_random(&m->seed) % (400 * DAY);
  if (kind < 3) return test_random(&m->seed) % (2 * DAY);
  if (kind < 8) return test_random(&m->seed) % (300 * S);
  if (kind < 16) return test_random(&m->seed) % (200 * MS);
  return test_random(&m->seed) % (2 * MS);
}

static void run_model(model *m, int steps) {
  for (int i = 0; i < steps; i++) {
    uint64_t kind = test_random(&m->seed) % 8, next;
    if (kind < 3) arm(m, pick(m));
    if (kind == 3) disarm(m, pick(m));
    if (kind != 3) ob__wheel_settle(&m->wheel, m->now);
    if (kind == 4 || kind == 5) advance(m, m->now + random_step(m));
    if (m->wheel.fresh != NULL) continue;
    next = ob__wheel_next(&m->wheel);
    if (kind == 6 && next < OB_FOREVER / 2 && next > m->now) advance(m, next);
    if (m->now > OB_FOREVER / 4) break; /* 146 years */
  }
}

static void end_model(model *m) {
  uint64_t fired = m->fired;
  int armed = m->armed;
  m->flushing = 1;
  ob__wheel_flush(&m->wheel, OB_ESHUTDOWN);
  CHECK_EQ(m->fired - fired, armed);
  CHECK_EQ(m->wheel.count, 0);
  CHECK(ob__wheel_next(&m->wheel) == OB_FOREVER);
  for (int i = 0; i < TIMERS; i++) free(m->timers[i]);
}

TEST(random_timers_against_a_model) {
  uint64_t seed = test_seed(), fired = 0;
  int runs = (int)test_ops(100);
  while (runs-- > 0) {
    static model m;
    memset(&m, 0, sizeof m);
    m.seed = test_random(&seed);
    m.now = test_random(&seed) % (100 * DAY);
    ob__wheel_init(&m.wheel, m.now);
    run_model(&m, 20000);
    fired += m.fired;
    end_model(&m);
  }
  printf("  %llu timers fired\n", (unsigned long long)fired);
  CHECK(fired > 1000);
}

/* --- One by one --- */

static uint64_t fired_at;

static void note(ob_timer *timer, int status) {
  CHECK_EQ(status, OB_OK);
  CHECK_EQ(timer->slot, 0);
  fired_at++;
}

/* Each distance alone, by the calls that the loop makes. */
TEST(the_next_time_leads_to_each_timer) {
  for (uint64_t away = 1; away < 2000 * DAY; away = away * 3 + 7 * MS) {
    ob__wheel wheel;
    ob_timer timer = {.fire = note};
    uint64_t now = 12345678901, begin = now;
    int looks = 0;
    ob__wheel_init(&wheel, now);
    timer.due_ns = now + away;
    fired_at = 0;
    ob__wheel_add(&wheel, &timer);
    while (fired_at == 0) {
      uint64_t next = ob__wheel_next(&wheel);
      CHECK(next > now && next <= begin + away + MS);
      now = next;
      ob__wheel_advance(&wheel, now);
      CHECK(++looks < 20); /* a few levels, not every tick */
    }
    CHECK(now >= timer.due_ns && now < timer.due_ns + MS);
  }
}

/* A timer beyond the wheel's range must not hide the nearer ones. */
TEST(a_timer_for_ever_hides_no_other) {
  static const uint64_t far[] = {OB_FOREVER, 790 * DAY, 900 * DAY};
  for (int i = 0; i < 3; i++) {
    for (uint64_t away = MS; away < 790 * DAY; away *= 5) {
      ob__wheel wheel;
      ob_timer ever = {.fire = note}, timer = {.fire = note};
      uint64_t now = 5 * S;
      ob__wheel_init(&wheel, now);
      ob__wheel_advance(&wheel, now += 3 * S); /* off the start of a slot */
      ever.due_ns = far[i] == OB_FOREVER ? OB_FOREVER : now + far[i];
      timer.due_ns = now + away;
      ob__wheel_add(&wheel, &ever);
      ob__wheel_add(&wheel, &timer);
      fired_at = 0;
      while (fired_at == 0 && now < timer.due_ns) {
        now = ob__wheel_next(&wheel);
        ob__wheel_advance(&wheel, now);
      }
      CHECK_EQ(fired_at, 1);
      if (now >= timer.due_ns + MS)
        test_fail(__FILE__, __LINE__, "a timer of %llu s fired after %llu s",
                  (unsigned long long)(away / S),
                  (unsigned long long)((now - 8 * S) / S));
      CHECK_EQ(ob__wheel_remove(&wheel, &ever), 1);
    }
  }
}
