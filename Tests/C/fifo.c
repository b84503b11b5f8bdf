/* Order and exactly-once: whatever way a thread hands its operations in, they
 * reach the loop in that thread's order, none missing and none doubled.
 *
 * Each operation carries the number of its stream (one thread into one engine)
 * and its own number; the loop accepts only the next one of each stream. The
 * ways are mixed in phases, so that threads switch between the push list and
 * their lane in every state of both. */
#include "harness.h"

#define MOST_STREAMS 4096
#define NUMBER_BITS 40
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)
#define WINDOW 16

/* What one thread hands to one engine. */
typedef struct stream {
  ob_engine *engine;
  uint64_t sent;     /* producer */
  uint64_t wanted;   /* producer: on_done callbacks asked for */
  uint64_t arrived;  /* loop */
  uint64_t answered; /* loop: on_done callbacks */
} stream;

static stream streams[MOST_STREAMS];

/* --- On the loop ---------------------------------------------------------- */

static void arrive(uint64_t code) {
  stream *from = &streams[code >> NUMBER_BITS];
  CHECK(from->engine != NULL && ob_engine_current() == from->engine);
  CHECK_EQ(code & NUMBER_MASK, from->arrived);
  from->arrived++;
}

static void run_post(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  arrive((uintptr_t)arg);
}

typedef struct node {
  ob_node node;
  uint64_t code;
} node;

static void run_node(ob_node *entry, int status) {
  node *mine = (node *)entry;
  CHECK_EQ(status, OB_OK);
  arrive(mine->code);
  free(mine);
}

static uint64_t answer_to(uint64_t code) {
  return code * 3 + 1;
}

static void handle(ob_request *request, void *input, size_t size, void *user) {
  uint64_t code = (uintptr_t)input, answer;
  if (size == sizeof code) memcpy(&code, input, sizeof code);
  CHECK(ob_request_engine(request) == ob_engine_current());
  CHECK((uintptr_t)user == (uintptr_t)code);
  arrive(code);
  answer = answer_to(code);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_copy(&answer, sizeof answer)),
           OB_OK);
}

static void check_answer(const ob_result *result, uint64_t code) {
  uint64_t answer;
  CHECK_EQ(result->size, sizeof answer);
  memcpy(&answer, ob_result_data(result), sizeof answer);
  CHECK(answer == answer_to(code));
}

static void count_done(int status, ob_result *result, void *user) {
  uint64_t code = (uintptr_t)user;
  stream *from = &streams[code >> NUMBER_BITS];
  CHECK_EQ(status, OB_OK);
  CHECK(ob_engine_current() == from->engine);
  check_answer(result, code);
  from->answered++;
}

/* --- A producer ----------------------------------------------------------- */

typedef struct producer {
  pthread_t thread;
  stream *streams[2]; /* the second may be NULL */
  uint64_t ops, seed;
  int abandon; /* end with work queued and tickets unwaited */
  struct {
    ob_ticket *ticket;
    uint64_t code;
  } window[WINDOW]; /* tickets not waited for yet, as a ring */
  uint64_t opened, closed;
} producer;

static void close_ticket(producer *self) {
  ob_ticket *ticket = self->window[self->closed % WINDOW].ticket;
  uint64_t code = self->window[self->closed % WINDOW].code;
  ob_result result;
  self->closed++;
  if (!self->abandon) {
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &result), OB_OK);
    check_answer(&result, code);
    ob_result_free(&result);
  }
  ob_ticket_release(ticket);
}

static void send_post(stream *to, uint64_t code) {
  CHECK_EQ(ob_post(to->engine, run_post, (void *)(uintptr_t)code), OB_OK);
}

static void send_node(stream *to, uint64_t code) {
  node *mine = malloc(sizeof *mine);
  int rc;
  CHECK(mine != NULL);
  mine->node.run = run_node;
  mine->code = code;
  rc = ob_post_node(to->engine, &mine->node);
  if (rc == OB_OK) return;
  CHECK_EQ(rc, OB_EAGAIN); /* it does not wait for room; a post does */
  free(mine);
  send_post(to, code);
}

/* Options of a call or submission of *code, in one of four kinds. */
static ob_call_opts options(const uint64_t *code, uint64_t kind) {
  ob_call_opts opts = test_call(handle, (void *)(uintptr_t)*code);
  if (kind & 1) {
    opts.input = (void *)(uintptr_t)*code;
  } else {
    opts.input = (void *)(uintptr_t)code;
    opts.input_size = sizeof *code;
  }
  if (kind & 2) opts.flags = OB_CALL_SYNC;
  return opts;
}

static void send_call(stream *to, uint64_t code, uint64_t kind) {
  ob_call_opts opts = options(&code, kind);
  ob_result result;
  if (kind & 4) opts.deadline_ns = UINT64_C(600000000000);
  CHECK_EQ(ob_call(to->engine, &opts, &result), OB_OK);
  check_answer(&result, code);
  ob_result_free(&result);
}

static void send_submission(producer *self, stream *to, uint64_t code,
                            uint64_t kind) {
  ob_call_opts opts = options(&code, kind);
  int ticket = (kind & 4) != 0, done = !ticket && (kind & 8);
  ob_ticket **out = NULL;
  if (done) {
    opts.on_done = count_done;
    opts.done_user = (void *)(uintptr_t)code;
    to->wanted++;
  }
  if (ticket) {
    if (self->opened - self->closed == WINDOW) close_ticket(self);
    self->window[self->opened % WINDOW].code = code;
    out = &self->window[self->opened++ % WINDOW].ticket;
  }
  CHECK_EQ(ob_submit(out, to->engine, &opts), OB_OK);
}

/* A phase's mix, in 256ths; what is left are posts. */
typedef struct mix {
  unsigned calls, submissions, nodes;
} mix;
static const mix mixes[] = {
    {1, 0, 0}, {2, 250, 0}, {1, 64, 64}, {1, 128, 0}, {64, 128, 0}, {2, 0, 200},
};

static void send_one(producer *self, const mix *now) {
  uint64_t random = test_random(&self->seed), pick = random & 255;
  stream *to = self->streams[self->streams[1] != NULL && (random >> 8 & 1)];
  uint64_t code = (uint64_t)(to - streams) << NUMBER_BITS | to->sent++;
  if (pick < now->calls && !self->abandon)
    send_call(to, code, random >> 16);
  else if (pick < now->calls + now->submissions)
    send_submission(self, to, code, random >> 16);
  else if (pick < now->calls + now->submissions + now->nodes)
    send_node(to, code);
  else
    send_post(to, code);
}

static void *produce(void *arg) {
  producer *self = arg;
  const mix *now = mixes;
  uint64_t i, left = 0;
  for (i = 0; i < self->ops; i++) {
    if (left-- == 0) {
      uint64_t random = test_random(&self->seed);
      left = random % 512;
      /* The mix with many calls is slow, and rare. */
      now = &mixes[(random >> 16) % 6];
      if (now->calls > 2) left %= 16;
    }
    send_one(self, now);
  }
  while (self->closed < self->opened) close_ticket(self);
  return NULL;
}

/* --- Runs ----------------------------------------------------------------- */

static void check_stream(const stream *done) {
  CHECK_EQ(done->arrived, done->sent);
  CHECK_EQ(done->answered, done->wanted);
}

/* Stops the engine and checks what came of the streams into it. */
static void finish(ob_engine *engine, size_t count) {
  ob_stats stats = OB_STATS_INIT;
  uint64_t sent = 0;
  size_t i;
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  for (i = 0; i < count; i++) {
    if (streams[i].engine != engine) continue;
    check_stream(&streams[i]);
    sent += streams[i].sent;
  }
  CHECK_EQ(ob_engine_stats(engine, &stats), OB_OK);
  CHECK_EQ(stats.submitted, sent);
  CHECK_EQ(stats.completed, sent);
  CHECK_EQ(stats.in_flight, 0);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

static void run(unsigned count, uint64_t ops, void (*change)(ob_engine_opts *),
                unsigned engines) {
  static producer producers[8];
  uint64_t seed = test_seed();
  ob_engine *engine[2];
  unsigned i, e;
  for (e = 0; e < engines; e++) engine[e] = test_engine(change);
  for (i = 0; i < count; i++) {
    producers[i] = (producer){.ops = ops / count, .seed = seed + i};
    for (e = 0; e < engines; e++) {
      producers[i].streams[e] = &streams[i * engines + e];
      streams[i * engines + e] = (stream){.engine = engine[e]};
    }
  }
  for (i = 0; i < count; i++)
    producers[i].thread = test_thread(produce, &producers[i]);
  for (i = 0; i < count; i++) test_join(producers[i].thread);
  for (e = 0; e < engines; e++) finish(engine[e], count * engines);
}

TEST(one_producer) {
  run(1, test_ops(1e7), NULL, 1);
}
TEST(two_producers) {
  run(2, test_ops(1e7), NULL, 1);
}
TEST(four_producers) {
  run(4, test_ops(1e7), NULL, 1);
}
TEST(eight_producers) {
  run(8, test_ops(1e7), NULL, 1);
}

/* Work left over from a batch stays ahead of what came later. */
static uint32_t batch_limit = 256, queue_limit = 65536;

static void small(ob_engine_opts *opts) {
  opts->batch_limit = batch_limit;
  opts->queue_limit = queue_limit;
}

TEST(batches_of_one) {
  batch_limit = 1;
  run(2, test_ops(3e5), small, 1);
}
TEST(batches_of_two) {
  batch_limit = 2;
  run(4, test_ops(3e5), small, 1);
}
TEST(batches_of_three) {
  batch_limit = 3;
  run(1, test_ops(3e5), small, 1);
}

/* Producers that wait for room keep their order, and pass nobody's by. */
TEST(queue_of_one) {
  queue_limit = 1;
  run(4, test_ops(1e5), small, 1);
}
TEST(queue_of_seven) {
  queue_limit = 7;
  batch_limit = 2;
  run(8, test_ops(1e5), small, 1);
}
TEST(queue_of_300) {
  queue_limit = 300; /* just above a lane's block */
  run(4, test_ops(1e6), small, 1);
}

/* A thread's lanes into two engines do not mix. */
TEST(two_engines) {
  run(4, test_ops(1e6), NULL, 2);
}
TEST(two_engines_batches_of_two) {
  batch_limit = 2;
  run(4, test_ops(2e5), small, 2);
}

/* --- Threads that end ----------------------------------------------------- */

/* Lanes are given back with work queued, and serve the next thread at once.
 * Lengths around what the lane counts in: 64 entries between two looks at its
 * head, 255 to a block. */
static uint64_t life_length(uint64_t *seed) {
  static const uint64_t edges[] = {0,   1,   63,  64,  65,  128, 254,
                                   255, 256, 319, 320, 510, 511, 512};
  uint64_t random = test_random(seed);
  if (random & 1) return (random >> 8) % 600;
  return edges[(random >> 8) % (sizeof edges / sizeof *edges)];
}

static void short_lives(unsigned alive, void (*change)(ob_engine_opts *)) {
  static producer producers[8];
  uint64_t seed = test_seed(), lives = test_ops(MOST_STREAMS), i;
  ob_engine *engine = test_engine(change);
  for (i = 0; i < lives + alive; i++) {
    producer *mine = &producers[i % alive];
    if (i >= alive) test_join(mine->thread);
    if (i >= lives) continue;
    streams[i] = (stream){.engine = engine};
    *mine = (producer){.seed = test_random(&seed), .abandon = 1};
    mine->streams[0] = &streams[i];
    mine->ops = life_length(&seed);
    mine->thread = test_thread(produce, mine);
  }
  finish(engine, lives);
}

TEST(short_lives_of_one) {
  short_lives(1, NULL);
}
TEST(short_lives_of_eight) {
  short_lives(8, NULL);
}
TEST(short_lives_batches_of_two) {
  batch_limit = 2;
  short_lives(4, small);
}
