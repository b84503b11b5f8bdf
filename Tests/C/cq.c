/* Completion queues: a host with a loop of its own polls the descriptor and
 * takes each record once; the descriptor is readable while records are left and
 * quiet when there are none. */
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

#include "probe.h"

static ob_cq *make_cq(void) {
  ob_cq *cq;
  CHECK_EQ(ob_cq_create(&cq), OB_OK);
  return cq;
}

/* 1 when the descriptor is readable within ms. */
static int readable(ob_cq *cq, int ms) {
  struct pollfd poll_of = {ob_cq_fd(cq), POLLIN, 0};
  int rc;
  do rc = poll(&poll_of, 1, ms);
  while (rc < 0 && errno == EINTR);
  CHECK(rc >= 0);
  CHECK((poll_of.revents & ~POLLIN) == 0);
  return rc;
}

static void await_readable(ob_cq *cq) {
  if (!readable(cq, 20000))
    test_fail(__FILE__, __LINE__, "not readable for 20 s");
}

/* A write that comes after its record was taken may make the descriptor
 * readable once more for nothing; then it stays quiet. */
static void check_quiet(ob_cq *cq) {
  ob_cq_record record;
  for (int i = 0; readable(cq, 0); i++) {
    CHECK_EQ(ob_cq_next(cq, &record), OB_EAGAIN);
    CHECK(i < 100);
  }
}

/* Answers its int input, doubled, with its tag's parity as the status. */
static void handle_double(ob_request *request, void *input, size_t size,
                          void *user) {
  int value;
  (void)user;
  CHECK_EQ(size, sizeof value);
  CHECK(ob_engine_current() == ob_request_engine(request));
  memcpy(&value, input, sizeof value);
  value *= 2;
  CHECK_EQ(
      ob_complete(request, value % 6, ob_result_copy(&value, sizeof value)),
      OB_OK);
}

static void submit(ob_engine *engine, ob_cq *cq, int value, ob_ticket **out) {
  ob_call_opts opts = test_call(handle_double, NULL);
  opts.input = &value;
  opts.input_size = sizeof value;
  opts.cq = cq;
  opts.done_user = (void *)(intptr_t)value;
  CHECK_EQ(ob_submit(out, engine, &opts), OB_OK);
}

/* The value of a record that is as it should be. */
static int check_record(ob_cq_record *record) {
  int value = (int)(intptr_t)record->tag;
  CHECK_EQ(record->status, value * 2 % 6);
  CHECK_EQ(record->result.size, sizeof(int));
  CHECK_EQ(*(const int *)ob_result_data(&record->result), value * 2);
  ob_result_free(&record->result);
  return value;
}

/* --- Many --- */

enum { THREADS = 4 };

typedef struct source {
  ob_engine *engines[2];
  ob_cq *cq;
  int count, first;
} source;

static void *run_source(void *arg) {
  source *s = arg;
  for (int i = 0; i < s->count; i++)
    submit(s->engines[i % 2], s->cq, s->first + i, NULL);
  return NULL;
}

/* one: take a single record each time that the descriptor is readable. */
static void check_many(int one, int per_thread) {
  source sources[THREADS];
  pthread_t threads[THREADS];
  ob_engine *a = test_engine(NULL), *b = test_engine(NULL);
  ob_cq *cq = make_cq();
  ob_cq_record record;
  int total = THREADS * per_thread, got = 0;
  char *seen = calloc((size_t)total, 1);
  CHECK(seen != NULL);
  for (int i = 0; i < THREADS; i++) {
    sources[i] = (source){{a, b}, cq, per_thread, i * per_thread};
    threads[i] = test_thread(run_source, &sources[i]);
  }
  while (got < total) {
    await_readable(cq);
    while (ob_cq_next(cq, &record) == OB_OK) {
      CHECK_EQ(seen[check_record(&record)]++, 0);
      got++;
      if (one) break;
    }
  }
  CHECK_EQ(ob_cq_next(cq, &record), OB_EAGAIN);
  for (int i = 0; i < THREADS; i++) test_join(threads[i]);
  test_stop(a);
  test_stop(b);
  check_quiet(cq);
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
  free(seen);
}

TEST(all_records_of_two_engines_come_once) {
  check_many(0, (int)test_ops(50000));
}

/* The host that takes one record per poll: while records are left, it must be
 * told, though nothing new comes in. */
TEST(readable_while_records_are_left) {
  check_many(1, (int)test_ops(50000));
}

/* The same, with the queue running empty all the time. */
TEST(readable_while_records_are_left_after_an_empty_look) {
  ob_engine *engine = test_engine(NULL);
  ob_cq *cq = make_cq();
  ob_cq_record record;
  int rounds = (int)test_ops(30000);
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < 3; i++) submit(engine, cq, i, NULL);
    for (int got = 0; got < 3;) {
      /* Looks before it has been told; takes one at a time. */
      if (got > 0) await_readable(cq);
      if (ob_cq_next(cq, &record) != OB_OK) continue;
      CHECK_EQ(check_record(&record), got);
      got++;
    }
  }
  test_stop(engine);
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
}

/* --- One --- */

TEST(the_descriptor_is_quiet_when_there_is_nothing) {
  ob_engine *engine = test_engine(NULL);
  ob_cq *cq = make_cq();
  ob_cq_record record;
  CHECK((fcntl(ob_cq_fd(cq), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(ob_cq_fd(cq), F_GETFL) & O_NONBLOCK) != 0);
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(readable(cq, 0), 0);
    CHECK_EQ(ob_cq_next(cq, &record), OB_EAGAIN);
    submit(engine, cq, i, NULL);
    submit(engine, cq, i + 1, NULL);
    flush(engine);
    CHECK_EQ(readable(cq, 0), 1);
    CHECK_EQ(ob_cq_next(cq, &record), OB_OK);
    CHECK_EQ(check_record(&record), i); /* the oldest first */
    CHECK_EQ(readable(cq, 0), 1);
    CHECK_EQ(ob_cq_next(cq, &record), OB_OK);
    CHECK_EQ(check_record(&record), i + 1);
    CHECK_EQ(ob_cq_next(cq, &record), OB_EAGAIN);
  }
  test_stop(engine);
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
}

/* The record has the result, the ticket only the status. */
TEST(a_ticket_beside_the_queue) {
  ob_engine *engine = test_engine(NULL);
  ob_cq *cq = make_cq();
  ob_cq_record record;
  int rounds = (int)test_ops(2000);
  for (int i = 0; i < rounds; i++) {
    ob_ticket *ticket;
    ob_result result;
    submit(engine, cq, i, &ticket);
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &result), i * 2 % 6);
    CHECK_EQ(result.size, 0);
    do await_readable(cq); /* the last record's late write perhaps */
    while (ob_cq_next(cq, &record) == OB_EAGAIN);
    CHECK_EQ(check_record(&record), i);
    CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &result), i * 2 % 6);
    ob_ticket_release(ticket);
  }
  test_stop(engine);
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
}

/* Calls that end early come, too: without a result. */
TEST(early_ends_are_delivered) {
  ob_engine *engine = test_engine(NULL);
  ob_cq *cq = make_cq();
  ob_call_opts opts = test_call(handle_count, NULL);
  ob_ticket *tickets[3];
  test_blocker blocker;
  int want[] = {OB_ECANCELED, OB_ETIMEDOUT, OB_ESHUTDOWN};
  test_block_loop(engine, &blocker);
  opts.cq = cq;
  for (int i = 0; i < 3; i++) {
    opts.done_user = &want[i];
    opts.deadline_ns = i == 1 ? 1 : OB_FOREVER;
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  }
  CHECK_EQ(ob_ticket_cancel(tickets[0]), OB_OK);
  CHECK_EQ(ob_ticket_wait(tickets[1], OB_FOREVER, NULL), OB_ETIMEDOUT);
  CHECK_EQ(readable(cq, 0), 0); /* the stalled loop delivers */
  for (int i = 0; i < 3; i++) ob_ticket_release(tickets[i]);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, 0), OB_ETIMEDOUT);
  test_unblock_loop(&blocker);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK); /* records outlive it */
  for (int i = 0; i < 3; i++) {
    ob_cq_record record;
    await_readable(cq);
    CHECK_EQ(ob_cq_next(cq, &record), OB_OK);
    CHECK(record.tag == &want[i]);
    CHECK_EQ(record.status, want[i]);
    CHECK_EQ(record.result.size, 0);
  }
  CHECK_EQ(ob_cq_destroy(cq), OB_OK);
}

TEST(destroy_is_busy_while_calls_are_under_way) {
  ob_engine *engine = test_engine(NULL);
  ob_cq *cq = make_cq();
  ob_request *kept = NULL, *seen;
  ob_call_opts opts = test_call(handle_keep, &kept);
  int destroyed = 0, files = count_files();
  opts.cq = cq;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  while ((seen = __atomic_load_n(&kept, __ATOMIC_ACQUIRE)) == NULL)
    sched_yield();
  CHECK_FAILS(ob_cq_destroy(cq), OB_EBUSY, "1 call");
  CHECK_EQ(count_files(), files);
  CHECK_EQ(ob_complete(seen, OB_OK, counted_result(&destroyed)), OB_OK);
  test_stop(engine);
  CHECK_EQ(get(&destroyed), 0);
  CHECK_EQ(ob_cq_destroy(cq), OB_OK); /* with the record that nobody took */
  CHECK_EQ(get(&destroyed), 1);
}

/* Who has taken the record of every call may destroy the queue, though a loop
 * may not be through with it yet. */
TEST(destroy_once_every_record_is_taken) {
  ob_engine *engine = test_engine(NULL);
  ob_cq_record record;
  int rounds = (int)test_ops(20000);
  for (int i = 0; i < rounds; i++) {
    ob_cq *cq = make_cq();
    int got = 0;
    for (int value = 0; value < 2; value++) submit(engine, cq, value, NULL);
    while (got < 2) {
      if (ob_cq_next(cq, &record) != OB_OK) continue;
      CHECK_EQ(check_record(&record), got);
      got++;
    }
    CHECK_EQ(ob_cq_destroy(cq), OB_OK);
  }
  test_stop(engine);
}

static void done(int status, ob_result *result, void *user) {
  (void)status;
  (void)result;
  (void)user;
}

TEST(misuse_is_refused) {
  ob_engine *engine = test_engine(NULL);
  ob_cq *cq = make_cq();
  ob_cq_record record;
  ob_call_opts opts = test_call(handle_count, NULL);
  ob_ticket *ticket = (ob_ticket *)&ticket;
  CHECK_FAILS(ob_cq_create(NULL), OB_EINVAL, "out");
  CHECK_EQ(ob_cq_fd(NULL), -1);
  CHECK_FAILS(ob_cq_next(NULL, &record), OB_EINVAL, "queue");
  CHECK_FAILS(ob_cq_next(cq, NULL), OB_EINVAL, "out");
  CHECK_EQ(ob_cq_destroy(NULL), OB_OK);
  opts.cq = cq;
  CHECK_FAILS(ob_call(engine, &opts, NULL), OB_EINVAL, "ob_submit");
  opts.on_done = done;
  CHECK_FAILS(ob_submit(&ticket, engine, &opts), OB_EINVAL, "exclude");
  CHECK(ticket == NULL);
  opts.on_done = NULL;
  test_stop(engine);
  engine = test_engine(NULL);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_CANCEL, OB_FOREVER), OB_OK);
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_ESHUTDOWN);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
  CHECK_EQ(ob_cq_next(cq, &record), OB_EAGAIN);
  CHECK_EQ(ob_cq_destroy(cq), OB_OK); /* what was refused does not count */
}
