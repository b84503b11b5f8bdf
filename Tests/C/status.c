/* Status codes, their names and texts, the version, and the detail of the last
 * failure, which each thread has for itself. */
#include "harness.h"

static const struct {
  int status;
  const char *name, *text;
} map[] = {
#define XX(name, value, text) {value, "OB_" #name, text},
    OB_STATUS_MAP(XX)
#undef XX
};
#define CODES (int)(sizeof map / sizeof *map)

/* Written down once more: a code that is released never changes. */
TEST(values_stay) {
  CHECK_EQ(CODES, 18);
  CHECK_EQ(OB_OK, 0);
  CHECK_EQ(OB_EINVAL, -1001);
  CHECK_EQ(OB_ENOMEM, -1002);
  CHECK_EQ(OB_EAGAIN, -1003);
  CHECK_EQ(OB_ETIMEDOUT, -1004);
  CHECK_EQ(OB_ECANCELED, -1005);
  CHECK_EQ(OB_ESHUTDOWN, -1006);
  CHECK_EQ(OB_EDEADLK, -1007);
  CHECK_EQ(OB_EALREADY, -1008);
  CHECK_EQ(OB_EBUSY, -1009);
  CHECK_EQ(OB_EINPROGRESS, -1010);
  CHECK_EQ(OB_EFORKED, -1011);
  CHECK_EQ(OB_EBROKEN, -1012);
  CHECK_EQ(OB_ESYSTEM, -1013);
  CHECK_EQ(OB_ESTART, -1014);
  CHECK_EQ(OB_EPERM, -1015);
  CHECK_EQ(OB_EMSGSIZE, -1016);
  CHECK_EQ(OB_EEND, -1017);
}

TEST(every_code_has_a_name_and_a_text) {
  int i, k;
  for (i = 0; i < CODES; i++) {
    CHECK(strcmp(ob_err_name(map[i].status), map[i].name) == 0);
    CHECK(strcmp(ob_strerror(map[i].status), map[i].text) == 0);
    CHECK(strchr(map[i].text, '\n') == NULL && map[i].text[0] != '\0');
    for (k = 0; k < i; k++) {
      CHECK(map[k].status != map[i].status);
      CHECK(strcmp(map[k].text, map[i].text) != 0);
    }
  }
}

TEST(other_numbers_are_not_outboards) {
  static const int others[] = {1, -1, 42, -1000, -1018, INT32_MAX, INT32_MIN};
  size_t i;
  for (i = 0; i < sizeof others / sizeof *others; i++) {
    CHECK(strcmp(ob_err_name(others[i]), "OB_?") == 0);
    CHECK(strcmp(ob_strerror(others[i]), "not an Outboard status") == 0);
  }
}

TEST(version) {
  char text[32];
  snprintf(text, sizeof text, "%d.%d.%d", OB_VERSION_MAJOR, OB_VERSION_MINOR,
           OB_VERSION_PATCH);
  CHECK(strcmp(ob_version_string(), text) == 0);
  CHECK(strcmp(OB_VERSION_STRING, text) == 0);
  CHECK_EQ(ob_version(), OB_VERSION_NUMBER);
  CHECK_EQ(ob_version() >> 16, OB_VERSION_MAJOR);
  CHECK_EQ(ob_version() >> 8 & 255, OB_VERSION_MINOR);
  CHECK_EQ(ob_version() & 255, OB_VERSION_PATCH);
}

static void *fail_otherwise(void *unused) {
  CHECK(strcmp(ob_last_error_detail(), "") == 0); /* has never called */
  CHECK_FAILS(ob_complete(unused, 0, ob_result_none()), OB_EINVAL,
              "ob_complete");
  return NULL;
}

TEST(detail_belongs_to_its_thread) {
  const char *detail;
  CHECK(ob_last_error_detail() != NULL);
  CHECK(strcmp(ob_last_error_detail(), "") == 0);
  CHECK_FAILS(ob_ticket_wait(NULL, 0, NULL), OB_EINVAL, "ob_ticket_wait");
  detail = ob_last_error_detail();
  test_join(test_thread(fail_otherwise, NULL));
  CHECK(detail == ob_last_error_detail());
  CHECK(strstr(detail, "ob_ticket_wait") != NULL);
  CHECK_FAILS(ob_ticket_cancel(NULL), OB_EINVAL, "ob_ticket_cancel");
}

/* The record of a thread that ended serves the next one, without its text. */
TEST(detail_does_not_outlive_its_thread) {
  int i;
  for (i = 0; i < 10; i++) test_join(test_thread(fail_otherwise, NULL));
}

/* A name as long as may be, in a text that has room for it. */
TEST(detail_is_cut_not_overrun) {
  static char name[2000];
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_increment, NULL);
  test_blocker blocker;
  int input = 1;
  memset(name, 'n', sizeof name - 1);
  opts.input = &input;
  opts.input_size = sizeof input;
  opts.name = name;
  opts.deadline_ns = 1000000;
  test_block_loop(engine, &blocker);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_ETIMEDOUT);
  CHECK(strlen(ob_last_error_detail()) < sizeof name / 2);
  test_unblock_loop(&blocker);
  test_stop(engine);
}
