/* Histograms against a sorted list of the same values, the JSON writer, and the
 * recorder's ring. */
#include "harness.h"
#include "internal.h"
#include "json.h"

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

TEST(every_value_is_in_its_bucket) {
  uint64_t state = test_seed(), i, value;
  uint32_t index;
  for (i = 0; i < 200000; i++) {
    value = test_random(&state) >> (22 + i % 42); /* all below 2^42 */
    index = ob__histogram_index(value);
    CHECK(index < OB__BUCKETS && value <= ob__histogram_top(index));
    CHECK(index == 0 || value > ob__histogram_top(index - 1));
    CHECK(ob__histogram_top(index) - value <= value / OB__PARTS);
  }
  CHECK_EQ(ob__histogram_index(UINT64_MAX), OB__BUCKETS - 1);
  CHECK_EQ(ob__histogram_top(OB__BUCKETS - 1),
           (UINT64_C(1) << OB__TOP_BIT) - 1);
}

static void check_near(uint64_t got, uint64_t truth) {
  if (got < truth || got - truth > truth / OB__PARTS)
    test_fail(__FILE__, __LINE__, "%llu for %llu", (unsigned long long)got,
              (unsigned long long)truth);
}

static uint64_t ranked(const uint64_t *values, uint64_t count, uint64_t of) {
  return values[(count * of + 999) / 1000 - 1];
}

/* Sizes down to 1, of values of all magnitudes. */
TEST(percentiles_are_those_of_the_sorted_values) {
  static uint64_t values[5000];
  static ob__histogram histogram;
  uint64_t state = test_seed(), sum;
  uint32_t round, i, count;
  ob_times times;
  for (round = 0; round < 300; round++) {
    count = round < 40 ? round + 1 : 1 + (uint32_t)(test_random(&state) % 5000);
    ob__histogram_reset(&histogram);
    for (sum = i = 0; i < count; i++) {
      values[i] = test_random(&state) >> (24 + test_random(&state) % 40);
      ob__histogram_add(&histogram, values[i], 1);
      sum += values[i];
    }
    qsort(values, count, sizeof values[0], ascending);
    ob__histogram_read(&histogram, &times);
    CHECK_EQ(times.count, count);
    CHECK_EQ(times.max_ns, values[count - 1]);
    CHECK_EQ(times.mean_ns, sum / count);
    check_near(times.p50_ns, ranked(values, count, 500));
    check_near(times.p99_ns, ranked(values, count, 990));
    check_near(times.p999_ns, ranked(values, count, 999));
    CHECK(times.p999_ns <= times.max_ns);
  }
}

TEST(weights_count_and_empty_is_zero) {
  static ob__histogram histogram;
  ob_times times;
  ob__histogram_read(&histogram, &times);
  CHECK_EQ(times.count + times.p50_ns + times.max_ns + times.mean_ns, 0);
  ob__histogram_add(&histogram, 10, 98);
  ob__histogram_add(&histogram, 40, 2);
  ob__histogram_read(&histogram, &times);
  CHECK_EQ(times.count, 100);
  CHECK_EQ(times.p50_ns, 10);
  CHECK_EQ(times.p99_ns, 40);
  CHECK_EQ(times.mean_ns, (98 * 10 + 2 * 40) / 100);
  ob__histogram_add(&histogram, UINT64_MAX / 4, 1);
  ob__histogram_read(&histogram, &times);
  CHECK_EQ(times.max_ns, UINT64_MAX / 4);
}

/* --- The writer ----------------------------------------------------------- */

static void check_string(const char *text, const char *want) {
  char got[200];
  ob__json json = {got, sizeof got, 0};
  ob__json_string(&json, text, 100);
  CHECK_EQ(ob__json_end(&json), strlen(want));
  if (strcmp(got, want) != 0)
    test_fail(__FILE__, __LINE__, "%s, not %s", got, want);
}

TEST(strings_are_escaped) {
  check_string("plain", "\"plain\"");
  check_string("a\"b\\c\n\x01\x7f", "\"a\\\"b\\\\c\\u000a\\u0001\\u007f\"");
  check_string("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
               "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"");
  check_string("\xc3", "\"\\ufffd\"");            /* cut off */
  check_string("\x80x", "\"\\ufffdx\"");          /* begins nowhere */
  check_string("\xc0\xaf", "\"\\ufffd\\ufffd\""); /* too long a form */
  check_string("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""); /* surrogate */
  check_string("\xf5\x80\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

TEST(a_text_that_does_not_fit_is_cut_and_counted) {
  char buffer[8];
  size_t size;
  for (size = 0; size <= sizeof buffer; size++) {
    ob__json json = {buffer, size, 0};
    memset(buffer, 'x', sizeof buffer);
    ob__json_add(&json, "%s", "12345");
    CHECK_EQ(ob__json_end(&json), 5);
    if (size > 0) CHECK_EQ(strlen(buffer), size > 5 ? 5 : size - 1);
    if (size < sizeof buffer) CHECK_EQ(buffer[size], 'x');
  }
}

/* --- The ring ------------------------------------------------------------- */

#define KEPT 16

TEST(the_last_are_kept_in_order) {
  ob__recorder *recorder = ob__recorder_new(KEPT);
  ob_call_record out[KEPT + 4];
  uint64_t i, k;
  for (i = 0; i < 100; i++) {
    ob_call_record record = ob__who("a name", 7, (int)i);
    size_t count;
    ob__recorder_add(recorder, &record);
    count = ob__recorder_read(recorder, out, KEPT + 4);
    CHECK_EQ(count, i + 1 < KEPT ? i + 1 : KEPT);
    for (k = 0; k < count; k++) {
      CHECK_EQ(out[k].number, i + 2 - count + k);
      CHECK_EQ(out[k].status, (int)out[k].number - 1);
      CHECK(strcmp(out[k].name, "a name") == 0);
    }
    CHECK_EQ(ob__recorder_read(recorder, out, 1), 1);
    CHECK_EQ(out[0].number, i + 1);
  }
  CHECK_EQ(ob__recorder_read(recorder, NULL, 0), 0);
  free(recorder);
}

static int over;

/* All fields of a record are the same number: a torn one shows. */
static void *write_records(void *memory) {
  uint64_t i, rounds = test_ops(3e5);
  for (i = 0; i < rounds; i++) {
    ob_call_record record = {.enqueued = i,
                             .started = i,
                             .returned = i,
                             .ended = i,
                             .handler = i,
                             .weight = (uint32_t)i};
    ob__recorder_add(memory, &record);
  }
  __atomic_add_fetch(&over, 1, __ATOMIC_RELEASE);
  return NULL;
}

TEST(nothing_torn_is_read) {
  ob__recorder *recorder = ob__recorder_new(KEPT);
  pthread_t threads[2];
  ob_call_record out[KEPT];
  uint64_t before, seen = 0;
  size_t i, count;
  for (i = 0; i < 2; i++) threads[i] = test_thread(write_records, recorder);
  while (__atomic_load_n(&over, __ATOMIC_ACQUIRE) < 2) {
    count = ob__recorder_read(recorder, out, KEPT);
    for (before = i = 0; i < count; i++) {
      CHECK(out[i].number > before);
      before = out[i].number;
      CHECK(out[i].started == out[i].enqueued &&
            out[i].returned == out[i].enqueued &&
            out[i].ended == out[i].enqueued &&
            out[i].handler == out[i].enqueued &&
            out[i].weight == (uint32_t)out[i].enqueued);
      seen++;
    }
  }
  for (i = 0; i < 2; i++) test_join(threads[i]);
  printf("  %llu records read\n", (unsigned long long)seen);
  free(recorder);
}
