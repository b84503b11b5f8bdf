/* Results: bytes with an owner. What is inside, who frees it, and that it is
 * freed exactly once, whichever way the result goes. */
#include "harness.h"

/* --- By themselves -------------------------------------------------------- */

static unsigned char pattern[4096];

static void fill_pattern(void) {
  size_t i;
  for (i = 0; i < sizeof pattern; i++)
    pattern[i] = (unsigned char)(i * 7 + i / 256 + 1);
}

static void check_bytes(const ob_result *result, size_t size) {
  CHECK_EQ(result->size, size);
  if (size == 0)
    CHECK(ob_result_data(result) == NULL);
  else
    CHECK(memcmp(ob_result_data(result), pattern, size) == 0);
}

static void check_empty(ob_result *result) {
  check_bytes(result, 0);
  ob_result_free(result); /* allowed, and nothing */
  check_bytes(result, 0);
}

TEST(empty) {
  ob_result none = ob_result_none(), init = OB_RESULT_INIT;
  ob_result nulls = ob_result_copy(NULL, 5), zero = ob_result_copy(pattern, 0);
  check_empty(&none);
  check_empty(&init);
  check_empty(&nulls);
  check_empty(&zero);
  CHECK(ob_result_data(NULL) == NULL);
  ob_result_free(NULL);
}

/* Every size around the 32 bytes that fit into the struct. The copy is one: it
 * does not change with its source; and it may be moved. */
TEST(copies) {
  unsigned char source[200];
  ob_result result, moved;
  size_t size;
  fill_pattern();
  for (size = 1; size <= sizeof source; size++) {
    memcpy(source, pattern, size);
    result = ob_result_copy(source, size);
    memset(source, 0, size);
    check_bytes(&result, size);
    memcpy(&moved, &result, sizeof moved);
    memset(&result, 0xee, sizeof result);
    check_bytes(&moved, size);
    CHECK((ob_result_data(&moved) == (void *)&moved) ==
          (size <= OB_RESULT_INLINE));
    ob_result_free(&moved);
    check_empty(&moved);
  }
}

TEST(borrowed) {
  ob_result result = ob_result_borrow(pattern, sizeof pattern);
  fill_pattern();
  CHECK(ob_result_data(&result) == pattern);
  check_bytes(&result, sizeof pattern);
  ob_result_free(&result);
  check_empty(&result);
  CHECK_EQ(pattern[1], 8); /* still there */
}

/* --- Owned ---------------------------------------------------------------- */

typedef struct owned {
  int freed;
  pthread_t by;
} owned;

static void free_owned(void *data, size_t size, void *user) {
  owned *mine = user;
  CHECK(data == pattern && size == 100);
  mine->by = pthread_self();
  CHECK_EQ(__atomic_fetch_add(&mine->freed, 1, __ATOMIC_RELEASE), 0);
}

static ob_result own(owned *mine) {
  mine->freed = 0;
  return ob_result_own(pattern, 100, free_owned, mine);
}

TEST(owned_by_itself) {
  owned mine;
  ob_result result = own(&mine);
  CHECK(ob_result_data(&result) == pattern);
  ob_result_free(&result);
  CHECK_EQ(mine.freed, 1);
  check_empty(&result);
  CHECK_EQ(mine.freed, 1);
}

static void handle_own(ob_request *request, void *input, size_t size,
                       void *user) {
  CHECK(ob_engine_current() == ob_request_engine(request));
  CHECK(size == 0 && input == NULL);
  CHECK_EQ(ob_complete(request, 5, own(user)), OB_OK);
}

static ob_call_opts owning(owned *mine) {
  return test_call(handle_own, mine);
}

/* Taken by the caller, who frees it on its own thread; in every kind of call.
 */
TEST(owned_and_called_for) {
  ob_engine *engine = test_engine(NULL);
  owned mine;
  ob_call_opts opts = owning(&mine);
  ob_result result;
  unsigned kind;
  fill_pattern();
  for (kind = 0; kind < 8; kind++) {
    opts.flags = kind & 1 ? OB_CALL_SYNC : 0;
    opts.deadline_ns = kind & 2 ? UINT64_C(60000000000) : OB_FOREVER;
    CHECK_EQ(ob_call(engine, &opts, kind & 4 ? NULL : &result), 5);
    if (!(kind & 4)) {
      CHECK_EQ(mine.freed, 0);
      check_bytes(&result, 100);
      ob_result_free(&result);
    }
    CHECK_EQ(mine.freed, 1);
    CHECK(pthread_equal(mine.by, pthread_self()));
  }
  test_stop(engine);
}

/* Once taken from a ticket, or left in it; once, with two who ask. */
TEST(owned_by_a_ticket) {
  ob_engine *engine = test_engine(NULL);
  owned mine;
  ob_call_opts opts = owning(&mine);
  ob_ticket *ticket;
  ob_result result, second;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &result), 5);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &second), OB_EALREADY);
  check_empty(&second);
  ob_ticket_release(ticket);
  CHECK_EQ(mine.freed, 0);
  ob_result_free(&result);
  CHECK_EQ(mine.freed, 1);

  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), 5);
  CHECK_EQ(mine.freed, 0); /* it stays */
  ob_ticket_release(ticket);
  test_stop(engine);
  CHECK_EQ(mine.freed, 1);
}

TEST(owned_and_wanted_by_nobody) {
  ob_engine *engine = test_engine(NULL);
  owned mine;
  ob_call_opts opts = owning(&mine);
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  test_stop(engine);
  CHECK_EQ(mine.freed, 1);
}

static void look(int status, ob_result *result, void *user) {
  CHECK_EQ(status, 5);
  check_bytes(result, 100);
  CHECK_EQ(((owned *)user)->freed, 0);
}

static ob_result kept;
static void keep(int status, ob_result *result, void *user) {
  look(status, result, user);
  kept = *result;
  *result = ob_result_none();
}

/* Freed after the callback, on the loop, unless it was kept. */
TEST(owned_and_called_back) {
  ob_engine *engine = test_engine(NULL);
  owned seen, taken;
  ob_call_opts opts = owning(&seen);
  fill_pattern();
  opts.on_done = look;
  opts.done_user = &seen;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  opts = owning(&taken);
  opts.on_done = keep;
  opts.done_user = &taken;
  CHECK_EQ(ob_submit(NULL, engine, &opts), OB_OK);
  test_stop(engine);
  CHECK_EQ(seen.freed, 1);
  CHECK(!pthread_equal(seen.by, pthread_self()));
  CHECK_EQ(taken.freed, 0);
  check_bytes(&kept, 100);
  ob_result_free(&kept);
  CHECK_EQ(taken.freed, 1);
}

/* An answer that comes too late, or twice. */
TEST(owned_and_unwanted) {
  ob_engine *engine = test_engine(NULL);
  owned late, second;
  ob_request *request = NULL;
  ob_call_opts opts = test_call(handle_keep, &request);
  ob_result result;
  opts.deadline_ns = 1000000;
  do { /* on a busy machine it may not have run in time */
    CHECK_EQ(ob_call(engine, &opts, &result), OB_ETIMEDOUT);
    check_empty(&result);
  } while (__atomic_load_n(&request, __ATOMIC_ACQUIRE) == NULL);
  CHECK_EQ(ob_complete(request, OB_OK, own(&late)), OB_ECANCELED);
  CHECK_EQ(late.freed, 1);
  CHECK(pthread_equal(late.by, pthread_self()));
  result = own(&second);
  CHECK_EQ(ob_complete(NULL, OB_OK, result), OB_EINVAL);
  CHECK_EQ(second.freed, 0); /* nothing was taken */
  ob_result_free(&result);
  CHECK_EQ(second.freed, 1);
  test_stop(engine);
}
