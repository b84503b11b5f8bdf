/* Streams under load: many producers and consumers, with every item looked at;
 * ends of all kinds at random moments, with every item accounted for. */
#include "stream_kit.h"

enum { PRODUCERS = 3, CONSUMERS = 3 };

typedef struct crowd {
  ob_stream *stream;
  ob_emitter *emitter;
  int each, producing;
  uint64_t taken, sum;
} crowd;

typedef struct producer {
  crowd *crowd;
  int number;
} producer;

static void *run_producer(void *arg) {
  producer *p = arg;
  crowd *c = p->crowd;
  for (int i = 0; i < c->each;) {
    int rc = emit_int(c->emitter, i * PRODUCERS + p->number);
    if (rc == OB_OK) {
      i++;
      continue;
    }
    CHECK_EQ(rc, OB_EAGAIN);
    CHECK_EQ(ob_emitter_wait(c->emitter, OB_FOREVER), OB_OK);
  }
  if (__atomic_sub_fetch(&c->producing, 1, __ATOMIC_ACQ_REL) == 0)
    CHECK_EQ(ob_emitter_end(c->emitter, 11), OB_OK);
  return NULL;
}

/* What one producer has sent comes in order, to each consumer. */
static void *run_consumer(void *arg) {
  crowd *c = arg;
  int last[PRODUCERS] = {-1, -1, -1}, status = 0, rc;
  uint64_t taken = 0, sum = 0;
  ob_result out;
  while ((rc = ob_stream_next(c->stream, OB_FOREVER, &out, &status)) == OB_OK) {
    int value;
    memcpy(&value, ob_result_data(&out), sizeof value);
    CHECK(value / PRODUCERS > last[value % PRODUCERS]);
    last[value % PRODUCERS] = value / PRODUCERS;
    taken++;
    sum += (uint64_t)value;
  }
  CHECK_EQ(rc, OB_EEND);
  CHECK_EQ(status, 11);
  __atomic_add_fetch(&c->taken, taken, __ATOMIC_RELAXED);
  __atomic_add_fetch(&c->sum, sum, __ATOMIC_RELAXED);
  return NULL;
}

TEST(many_producers_and_consumers) {
  static const uint32_t capacities[] = {1, 2, 7, 64, 1024};
  ob_engine *engine = test_engine(NULL);
  for (int round = 0; round < 5; round++) {
    crowd c = {.each = (int)test_ops(20000), .producing = PRODUCERS};
    producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS + CONSUMERS];
    uint64_t all = (uint64_t)c.each * PRODUCERS;
    c.emitter = open_pair(engine, capacities[round], &c.stream, NULL);
    for (int i = 0; i < PRODUCERS; i++) {
      producers[i] = (producer){&c, i};
      threads[i] = test_thread(run_producer, &producers[i]);
    }
    for (int i = 0; i < CONSUMERS; i++)
      threads[PRODUCERS + i] = test_thread(run_consumer, &c);
    for (int i = 0; i < PRODUCERS + CONSUMERS; i++) test_join(threads[i]);
    CHECK_EQ(c.taken, all);
    CHECK_EQ(c.sum, all * (all - 1) / 2);
    ob_stream_release(c.stream);
  }
  test_stop(engine);
}

/* --- Any end at any moment --- */

static int made, destroyed;

static void count_item(void *data, size_t size, void *user) {
  CHECK(data == &made && user == &destroyed);
  CHECK_EQ(size, 77);
  add(&destroyed);
}

typedef struct race {
  ob_engine *engine;
  ob_stream *stream;
  int left, gone, status, how, seen;
  uint64_t random;
} race;

static void produce(ob_emitter *emitter, void *input, size_t size, void *user) {
  race *r = user;
  (void)input;
  (void)size;
  while (r->left > 0) {
    ob_result item = ob_result_own(&made, 77, count_item, &destroyed);
    int rc = ob_emitter_emit(emitter, &item);
    if (rc == OB_OK) {
      add(&made);
      r->left--;
      continue;
    }
    CHECK_EQ(item.size, 77); /* ours: not made, nor destroyed */
    if (rc == OB_EAGAIN && r->how % 2 == 0) return;
    if (rc == OB_EAGAIN)
      CHECK_EQ(ob_emitter_wait(emitter, OB_FOREVER), OB_OK);
    else
      break;
  }
  ob_emitter_end(emitter, 4);
}

static void race_gone(void *input, size_t size, void *user) {
  (void)input;
  (void)size;
  add(&((race *)user)->gone);
}

/* Takes some, then leaves; or to the end. */
static void *consume(void *arg) {
  race *r = arg;
  int take = r->how & 4 ? 1000000 : (int)(test_random(&r->random) % 60), rc;
  ob_result out;
  while (take-- > 0) {
    rc = ob_stream_next(r->stream, OB_FOREVER, &out, &r->status);
    if (rc == OB_EEND) break;
    CHECK_EQ(rc, OB_OK);
    CHECK(ob_result_data(&out) == &made);
    ob_result_free(&out);
    r->seen++;
  }
  ob_stream_release(r->stream);
  return NULL;
}

static void race_once(uint64_t *seed) {
  race r = {.engine = test_engine(NULL), .left = 50, .how = 0};
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  pthread_t thread;
  r.how = (int)(test_random(seed) & 15);
  r.random = test_random(seed);
  opts.capacity = 1 + (uint32_t)(test_random(seed) % 9);
  opts.start = produce;
  if (r.how % 2 == 0)
    opts.on_room = produce;
  else
    opts.flags = OB_CALL_OFFLOAD;
  opts.user = &r;
  opts.destroy = race_gone;
  if (r.how & 8) opts.deadline_ns = test_random(seed) % 200000;
  if (ob_stream_open(&r.stream, NULL, r.engine, &opts) == OB_OK) {
    thread = test_thread(consume, &r);
    if (test_random(seed) % 2 == 0) {
      for (uint64_t n = test_random(seed) % 20; n > 0; n--) sched_yield();
      CHECK_EQ(ob_engine_stop(r.engine, OB_STOP_CANCEL, OB_FOREVER), OB_OK);
    }
    test_join(thread);
    await_count(&r.gone, 1, "the producer");
    if (r.status == 4) CHECK_EQ(r.seen, 50);
  }
  CHECK_EQ(ob_engine_destroy(r.engine), OB_OK);
  CHECK_EQ(get(&made), get(&destroyed));
}

TEST(every_item_is_delivered_or_destroyed_once) {
  uint64_t seed = test_seed();
  int rounds = (int)test_ops(3000);
  for (int i = 0; i < rounds; i++) race_once(&seed);
  CHECK(rounds < 10 || get(&made) > rounds);
}

/* --- Callbacks at both ends, releases from another thread --- */

typedef struct duplex {
  int sum, ended, calls;
} duplex;

static void take_ready(ob_stream *stream, void *user) {
  duplex *d = user;
  ob_result out;
  int rc;
  while ((rc = ob_stream_try_next(stream, &out, NULL)) == OB_OK) {
    int value;
    memcpy(&value, ob_result_data(&out), sizeof value);
    d->sum += value;
  }
  if (rc == OB_EEND) add(&d->ended);
}

TEST(two_callbacks_on_one_loop) {
  ob_engine *engine = test_engine(NULL);
  int count = (int)test_ops(20000);
  for (uint32_t capacity = 1; capacity < 100; capacity = capacity * 3) {
    counter c = {0, count, 0, 0, 0};
    duplex d = {0, 0, 0};
    ob_stream_opts opts = counter_opts(&c, capacity);
    ob_stream *stream;
    opts.on_ready = take_ready;
    opts.ready_user = &d;
    CHECK_EQ(ob_stream_open(&stream, NULL, engine, &opts), OB_OK);
    await_count(&d.ended, 1, "the end");
    CHECK_EQ(d.sum, (int)((int64_t)count * (count - 1) / 2));
    ob_stream_release(stream);
    await_count(&c.destroyed, 1, "the producer");
  }
  test_stop(engine);
}
