/* A stream's state machine: each transition, and random steps beside a model.
 * No threads, no engine. */
#include "flow.h"

#include "probe.h"

enum { MOST = 9 };

typedef struct fixture {
  ob_result ring[MOST];
  ob__flow flow;
  uint32_t todo;
} fixture;

static fixture make(uint32_t capacity, uint32_t state) {
  fixture f;
  memset(&f, 0, sizeof f);
  ob__flow_init(&f.flow, NULL, capacity, state);
  return f;
}

static int emit(fixture *f, int value) {
  ob_result item = ob_result_copy(&value, sizeof value), dropped;
  int rc;
  dropped = ob_result_none();
  f->flow.ring = f->ring; /* the fixture may have been moved */
  rc = ob__flow_emit(&f->flow, &item, &dropped, &f->todo);
  CHECK_EQ(item.size, rc == OB_OK ? 0 : sizeof value);
  CHECK(dropped.size == 0 || (f->flow.state & OB__FLOW_LATEST));
  return rc;
}

/* The value, or the status as what is below 0. */
static int next(fixture *f, int *status) {
  ob_result out = ob_result_none();
  int rc, value;
  f->flow.ring = f->ring;
  rc = ob__flow_next(&f->flow, &out, status, &f->todo);
  if (rc != OB_OK) {
    CHECK_EQ(out.size, 0);
    return rc;
  }
  memcpy(&value, ob_result_data(&out), sizeof value);
  return value;
}

TEST(the_first_item_is_announced_and_the_last_one_quiets) {
  fixture f = make(3, 0);
  CHECK_EQ(emit(&f, 1), OB_OK);
  CHECK_EQ(f.todo, OB__TODO_READY | OB__TODO_TELL);
  CHECK_EQ(emit(&f, 2), OB_OK);
  CHECK_EQ(f.todo, 0);
  CHECK_EQ(next(&f, NULL), 1);
  CHECK_EQ(f.todo, 0);
  CHECK_EQ(next(&f, NULL), 2);
  CHECK_EQ(f.todo, OB__TODO_QUIET);
  CHECK_EQ(emit(&f, 3), OB_OK);
  CHECK_EQ(f.todo, OB__TODO_READY); /* the consumer has not seen it empty */
  CHECK_EQ(next(&f, NULL), 3);
  CHECK_EQ(next(&f, NULL), OB_EAGAIN);
  CHECK_EQ(f.todo, 0);
  CHECK_EQ(emit(&f, 4), OB_OK);
  CHECK_EQ(f.todo, OB__TODO_READY | OB__TODO_TELL);
}

TEST(room_is_told_once_at_half_and_only_if_wanted) {
  for (uint32_t capacity = 1; capacity <= MOST; capacity++) {
    fixture f = make(capacity, 0);
    uint32_t taken = 0, told = 0;
    for (uint32_t i = 0; i < capacity; i++) CHECK_EQ(emit(&f, (int)i), OB_OK);
    CHECK(ob__flow_full(&f.flow));
    CHECK_EQ(emit(&f, 99), OB_EAGAIN);
    CHECK_EQ(emit(&f, 99), OB_EAGAIN);
    while (next(&f, NULL) >= 0) {
      taken++;
      if (!(f.todo & OB__TODO_ROOM)) continue;
      told++;
      CHECK_EQ(capacity - taken, capacity / 2);
    }
    CHECK_EQ(taken, capacity);
    CHECK_EQ(told, 1);
    for (uint32_t i = 0; i < capacity; i++) CHECK_EQ(emit(&f, (int)i), OB_OK);
    while (next(&f, NULL) >= 0) CHECK(!(f.todo & OB__TODO_ROOM));
  }
}

TEST(the_end_comes_after_the_items_and_once) {
  fixture f = make(2, 0);
  int status = 0;
  CHECK_EQ(emit(&f, 1), OB_OK);
  CHECK_EQ(ob__flow_end(&f.flow, 7, &f.todo), OB_OK);
  CHECK(f.todo & OB__TODO_READY);
  CHECK_EQ(ob__flow_end(&f.flow, 8, &f.todo), OB_EALREADY);
  CHECK_EQ(f.todo, 0);
  CHECK_EQ(emit(&f, 2), OB_EALREADY);
  ob__flow_close(&f.flow, 9, &f.todo);
  CHECK_EQ(next(&f, &status), 1);
  CHECK_EQ(f.todo, 0); /* ready for good */
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(next(&f, &status), OB_EEND);
    CHECK_EQ(status, 7);
  }
}

TEST(a_close_decides_the_status_and_cancels_the_producer_once) {
  fixture f = make(1, 0);
  int status = 0;
  CHECK_EQ(emit(&f, 1), OB_OK);
  CHECK_EQ(emit(&f, 2), OB_EAGAIN);
  ob__flow_close(&f.flow, OB_ETIMEDOUT, &f.todo);
  CHECK_EQ(f.todo, OB__TODO_READY | OB__TODO_ROOM);
  CHECK(!ob__flow_full(&f.flow)); /* nobody waits for room in it */
  CHECK_EQ(emit(&f, 2), OB_ECANCELED);
  ob__flow_close(&f.flow, OB_ESHUTDOWN, &f.todo);
  CHECK_EQ(f.todo, 0);
  CHECK_EQ(next(&f, &status), 1);
  CHECK_EQ(f.todo, 0);
  CHECK_EQ(next(&f, &status), OB_EEND);
  CHECK_EQ(status, OB_ETIMEDOUT);
  CHECK_EQ(ob__flow_end(&f.flow, 0, &f.todo), OB_ECANCELED);
  CHECK_EQ(ob__flow_end(&f.flow, 0, &f.todo), OB_EALREADY);
}

TEST(a_consumer_that_leaves_takes_the_items_along) {
  fixture f = make(3, 0);
  ob_result item;
  for (int i = 0; i < 3; i++) CHECK_EQ(emit(&f, i), OB_OK);
  ob__flow_leave(&f.flow, &f.todo);
  CHECK_EQ(f.todo, OB__TODO_ROOM);
  CHECK_EQ(emit(&f, 3), OB_ECANCELED);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(ob__flow_drain(&f.flow, &item), 1);
    CHECK(memcmp(ob_result_data(&item), &i, sizeof i) == 0);
  }
  CHECK_EQ(ob__flow_drain(&f.flow, &item), 0);
  CHECK_EQ(ob__flow_end(&f.flow, 0, &f.todo), OB_ECANCELED);
}

TEST(the_latest_push_out_the_oldest) {
  fixture f = make(2, OB__FLOW_LATEST);
  for (int i = 0; i < 5; i++) CHECK_EQ(emit(&f, i), OB_OK);
  CHECK(!ob__flow_full(&f.flow));
  CHECK_EQ(next(&f, NULL), 3);
  CHECK_EQ(next(&f, NULL), 4);
  CHECK_EQ(next(&f, NULL), OB_EAGAIN);
}

/* --- Beside a model --- */

typedef struct model {
  int items[MOST], count, sent;
  int over, ended, cancel, status;
} model;

static void model_emit(model *m, fixture *f) {
  int rc = emit(f, m->sent);
  if (m->over) {
    CHECK_EQ(rc, OB_EALREADY);
  } else if (m->cancel) {
    CHECK_EQ(rc, OB_ECANCELED);
  } else if (m->count == (int)f->flow.capacity) {
    CHECK_EQ(rc, OB_EAGAIN);
  } else {
    CHECK_EQ(rc, OB_OK);
    m->items[m->count++] = m->sent++;
    CHECK_EQ((f->todo & OB__TODO_READY) != 0, m->count == 1);
  }
}

static void model_next(model *m, fixture *f) {
  int status = -1, got = next(f, &status);
  if (m->count > 0) {
    CHECK_EQ(got, m->items[0]);
    memmove(m->items, m->items + 1, sizeof m->items - sizeof *m->items);
    m->count--;
    CHECK_EQ((f->todo & OB__TODO_QUIET) != 0, m->count == 0 && !m->ended);
  } else if (m->ended) {
    CHECK_EQ(got, OB_EEND);
    CHECK_EQ(status, m->status);
  } else {
    CHECK_EQ(got, OB_EAGAIN);
  }
}

static void model_finish(model *m, int status) {
  if (!m->ended) m->status = status;
  m->ended = 1;
}

static void model_step(model *m, fixture *f, uint64_t random) {
  int status = (int)(random >> 8 & 0xff);
  if (random % 512 == 0) {
    CHECK_EQ(ob__flow_end(&f->flow, status, &f->todo), m->over    ? OB_EALREADY
                                                       : m->ended ? OB_ECANCELED
                                                                  : OB_OK);
    if (!m->over) model_finish(m, status);
    m->over = 1;
  } else if (random % 512 == 1) {
    ob__flow_close(&f->flow, status, &f->todo);
    CHECK_EQ((f->todo & OB__TODO_ROOM) != 0, !m->cancel);
    model_finish(m, status);
    m->cancel = 1;
  } else if (random >> 32 & 1) {
    model_emit(m, f);
  } else {
    model_next(m, f);
  }
  CHECK_EQ(f->flow.count, m->count);
}

/* Whoever was refused is told before it would wait for ever, and so is whoever
 * found nothing. */
TEST(random_steps_as_a_model_takes_them) {
  uint64_t seed = test_seed();
  for (int round = 0; round < (int)test_ops(2000); round++) {
    fixture f = make(1 + (uint32_t)(test_random(&seed) % MOST), 0);
    model m = {{0}, 0, 0, 0, 0, 0, 0};
    int waits_room = 0, waits_item = 1;
    for (int step = 0; step < 200; step++) {
      model_step(&m, &f, test_random(&seed));
      if (f.todo & OB__TODO_ROOM) waits_room = 0;
      if (f.todo & OB__TODO_TELL) waits_item = 0;
      if (f.flow.state & OB__FLOW_WANTS_ROOM && !m.cancel && !m.over)
        waits_room = 1;
      if (f.flow.state & OB__FLOW_ARMED) waits_item = 1;
      if (waits_room) CHECK(m.count > (int)f.flow.capacity / 2);
      if (waits_item) CHECK(m.count == 0 && !m.ended);
    }
  }
}
