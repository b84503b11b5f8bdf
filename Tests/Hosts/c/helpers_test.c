/* The helpers of mcp_plugin.h, case by case. Prints what failed; exits 1. */
#include <mcp_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void check(int ok, const char *what, const char *detail) {
  if (ok) return;
  failures++;
  printf("helpers_test: %s: %s\n", what, detail);
}

static void test_arg(const char *args, int expected, int64_t value) {
  int64_t got = -99;
  int result = mcp_arg_int64((const uint8_t *)args, strlen(args), "n", &got);
  check(result == expected, "mcp_arg_int64 result", args);
  check(got == (expected == 0 ? value : -99), "mcp_arg_int64 value", args);
}

static void test_args(void) {
  test_arg("{\"n\":1}", 0, 1);
  test_arg(" { \"n\" : -20 } ", 0, -20);
  test_arg("{\"a\":{\"n\":5},\"b\":[\"n\",{\"n\":6}],\"n\":7}", 0, 7);
  test_arg("{\"s\":\"}\\\"n\\\\\",\"n\":8}", 0, 8);
  test_arg("{\"n\":9223372036854775807}", 0, INT64_MAX);
  test_arg("{\"n\":-9223372036854775808}", 0, INT64_MIN);
  test_arg("{\"n\":9223372036854775808}", -1, 0);
  test_arg("{\"n\":-9223372036854775809}", -1, 0);
  test_arg("{\"n\":0}", 0, 0);
  test_arg("{\"n\":null}", 1, 0);
  test_arg("{}", 1, 0);
  test_arg("{\"m\":1}", 1, 0);
  test_arg("{\"n\":1.5}", -1, 0);
  test_arg("{\"n\":1e3}", -1, 0);
  test_arg("{\"n\":\"1\"}", -1, 0);
  test_arg("{\"n\":01}", -1, 0);
  test_arg("{\"n\":-}", -1, 0);
  test_arg("{\"n\":[1]}", -1, 0);
  test_arg("{\"n\":}", -1, 0);
  test_arg("", -1, 0);
  test_arg("[]", -1, 0);
  test_arg("{\"n\":1", -1, 0);
  test_arg("{\"n", -1, 0);
  test_arg("{\"n\\", -1, 0);
  test_arg("{\"n\":1,}", -1, 0);
}

static void test_args_in_utf8(void) {
  static const char *const good[] = {
      "\xC2\x80",     "\xDF\xBF",         "\xE0\xA0\x80",    "\xED\x9F\xBF",
      "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"};
  static const char *const bad[] = {
      "\x80",         "\xC1\xBF",         "\xC2",
      "\xC2\x7F",     "\xE0\x9F\xBF",     "\xED\xA0\x80",
      "\xE2\x82",     "\xE2\x82\x28",     "\xF0\x8F\xBF",
      "\xF0\x90\x80", "\xF4\x90\x80\x80", "\xFF"};
  char text[64];
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    snprintf(text, sizeof text, "{\"s\":\"%s\",\"n\":1}", good[i]);
    test_arg(text, 0, 1);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(text, sizeof text, "{\"s\":\"%s\",\"n\":1}", bad[i]);
    test_arg(text, -1, 0);
    snprintf(text, sizeof text, "{\"n\":1}%s", bad[i]); /* it breaks off */
    test_arg(text, -1, 0);
  }
}

static void test_quote(const char *text, const char *expected) {
  char *quoted = mcp_quote(text);
  check(quoted != NULL && strcmp(quoted, expected) == 0, "mcp_quote",
        quoted != NULL ? quoted : "NULL");
  free(quoted);
}

static void test_quotes(void) {
  test_quote("", "\"\"");
  test_quote("a\"b\\c", "\"a\\\"b\\\\c\"");
  test_quote("\n\x1f", "\"\\u000a\\u001f\"");
  test_quote("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80",
             "\"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80\"");
  test_quote("\xFF", "\"\xEF\xBF\xBD\"");
  test_quote("\xC3", "\"\xEF\xBF\xBD\"");
  test_quote("\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  test_quote("\xC0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  test_quote("\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static int32_t seven(const uint8_t *args, size_t args_len, uint8_t **buf,
                     size_t *len) {
  (void)args, (void)args_len;
  return mcp_reply(buf, len, "%d", 7);
}

static void expect_body(int32_t code, int32_t expected, uint8_t *buf,
                        size_t len, const char *body) {
  check(code == expected, "code", body);
  check(len == strlen(body) && memcmp(buf, body, len) == 0, "body", body);
  mcp_free_string(buf, len);
}

static void test_tools(void) {
  static const mcp_tool tools[] = {{"a", "\"A\"", MCP_NO_ARGUMENTS, seven},
                                   {"b", "B", "{}", seven}};
  uint8_t *buf;
  size_t len;
  int32_t code = mcp_tools_list(tools, 2, &buf, &len);
  expect_body(code, MCP_OK, buf, len,
              "[{\"name\":\"a\",\"description\":\"\\\"A\\\"\",\"inputSchema\":"
              "{\"type\":\"object\",\"properties\":{},\"required\":[]}},"
              "{\"name\":\"b\",\"description\":\"B\",\"inputSchema\":{}}]");
  code = mcp_tools_list(tools, 0, &buf, &len);
  expect_body(code, MCP_OK, buf, len, "[]");
  code = mcp_tools_call(tools, 2, "b", NULL, 0, &buf, &len);
  expect_body(code, MCP_OK, buf, len, "7");
  code = mcp_tools_call(tools, 2, "c\"", NULL, 0, &buf, &len);
  expect_body(code, MCP_ERROR, buf, len, "{\"error\":\"Unknown tool: c\\\"\"}");
}

int main(void) {
  test_args();
  test_args_in_utf8();
  test_quotes();
  test_tools();
  return failures == 0 ? 0 : 1;
}
