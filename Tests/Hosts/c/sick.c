/* A plugin with one fault, chosen by a SICK_* switch given to the compiler, for
 * the tests of outboard-host doctor. Without a switch it is healthy. This file
 * has the faults of the ABI, sick_guest.c those of a guest in a process. */
#include "sick.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int configured;
static atomic_ulong calls;
static int64_t limit = 1;

static const char schema_of_t[] =
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"
    "\"required\":[]}";
static const char schema_of_need[] =
    "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"
    "\"required\":[\"n\"]}";

/* --- The tools -------------------------------------------------------------
 */

static int32_t t(const uint8_t *args, size_t args_len, uint8_t **buf,
                 size_t *len) {
  int64_t n = 0;
  sick_call();
  if (sick_broken) return mcp_error(buf, len, "broken");
#if defined(SICK_OVERREAD)
  if (args_len > 0 && ((const volatile uint8_t *)args)[args_len] != 0) n = 1;
#endif
#if defined(SICK_RECURSES)
  size_t depth = 0;
  for (size_t i = 0; i < args_len; i++) depth += args[i] == '[';
  if (depth > 50000) abort(); /* as a deep recursion would end */
#endif
  if (mcp_arg_int64(args, args_len, "n", &n) < 0)
    return mcp_error(buf, len, "n must be an integer");
#if defined(SICK_RACE)
  static volatile int sum;
  sum = 0;
  for (int i = 0; i < 50; i++, sched_yield()) sum = sum + 1;
  return mcp_reply(buf, len, "{\"sum\":%d}", sum);
#elif defined(SICK_ANSWER_TEXT)
  return mcp_reply(buf, len, "price: 5");
#elif defined(SICK_ANSWER_BYTES)
  return mcp_reply(buf, len, "{\"name\":\"\xff\"}");
#elif defined(SICK_ANSWER_NONE)
  *buf = NULL, *len = 0;
  return MCP_OK;
#elif defined(SICK_ANSWER_STATIC)
  *buf = (uint8_t *)"{}", *len = 2;
  return MCP_OK;
#elif defined(SICK_ANSWER_SHARED)
  static _Thread_local char answer[64];
  *len = (size_t)sprintf(answer, "{\"calls\":%lu}", ++calls);
  *buf = (uint8_t *)answer;
  return MCP_OK;
#else
  calls++;
  return mcp_reply(buf, len, "{\"twice\":%lld,\"text\":\"constant\"}",
                   (long long)n * 2);
#endif
}

static int32_t need(const uint8_t *args, size_t args_len, uint8_t **buf,
                    size_t *len) {
  int64_t n;
#if !defined(SICK_NEEDS_NOTHING)
  if (mcp_arg_int64(args, args_len, "n", &n) != 0)
    return mcp_error(buf, len, "n must be an integer");
#endif
  return mcp_reply(buf, len, "{}");
}

static const mcp_tool tools[] = {
#if !defined(SICK_HEALTHY_NO_TOOL)
    {"t", "Doubles n, or 0.", schema_of_t, t},
#endif
    {"need", "Needs n.", schema_of_need, need}};

static int32_t list_tools(uint8_t **buf, size_t *len) {
#if defined(SICK_LIST_TEXT)
  return mcp_reply(buf, len, "[{\"name\":\"t\"");
#elif defined(SICK_LIST_OBJECT)
  return mcp_reply(buf, len, "{\"tools\":[]}");
#elif defined(SICK_LIST_EMPTY)
  return mcp_reply(buf, len, "[]");
#elif defined(SICK_LIST_UNNAMED)
  return mcp_reply(buf, len, "[{\"description\":\"?\"}]");
#elif defined(SICK_LIST_DESCRIPTION)
  return mcp_reply(buf, len, "[{\"name\":\"t\",\"inputSchema\":%s}]",
                   schema_of_t);
#elif defined(SICK_LIST_NAME)
  const mcp_tool odd[] = {tools[0], {"\x1b[31mred", "?", schema_of_need, need}};
  return mcp_tools_list(odd, 2, buf, len);
#elif defined(SICK_LIST_TWICE)
  const mcp_tool twice[] = {tools[0], tools[0]};
  return mcp_tools_list(twice, 2, buf, len);
#elif defined(SICK_LIST_SCHEMA)
  const mcp_tool odd[] = {{"t", "A tool.", "\"none\"", t}};
  return mcp_tools_list(odd, 1, buf, len);
#elif defined(SICK_LIST_REQUIRED)
  const mcp_tool odd[] = {
      tools[0], {"u", "?", "{\"type\":\"object\",\"required\":[\"n\"]}", need}};
  return mcp_tools_list(odd, 2, buf, len);
#elif defined(SICK_LIST_CHANGES)
  static atomic_int asked;
  return mcp_tools_list(tools, asked++ == 0 ? 1 : 2, buf, len);
#elif defined(SICK_LIST_LATE)
  if (!configured) return mcp_error(buf, len, "not configured");
#elif defined(SICK_LEAK_LIST)
  if (malloc(40) == NULL) abort();
#endif
  return mcp_tools_list(tools, sizeof tools / sizeof *tools, buf, len);
}

static int32_t execute_tool(const char *name, const uint8_t *args,
                            size_t args_len, uint8_t **buf, size_t *len) {
  int known = strcmp(name, "t") == 0 || strcmp(name, "need") == 0;
#if defined(SICK_UNKNOWN_GOOD)
  if (!known) return mcp_reply(buf, len, "{}");
#elif defined(SICK_UNKNOWN_UNNAMED)
  if (!known) return mcp_error(buf, len, "what?");
#elif defined(SICK_ERROR_SILENT)
  if (!known) return *buf = NULL, *len = 0, MCP_ERROR;
#elif defined(SICK_ERROR_TEXT)
  if (!known) return mcp_reply(buf, len, "Unknown tool: %s", name), MCP_ERROR;
#elif defined(SICK_ERROR_UNQUOTED)
  if (!known)
    return mcp_reply(buf, len, "{\"error\":\"Unknown: %s\"}", name), MCP_ERROR;
#elif defined(SICK_LEAK_ERROR)
  if (!known && malloc(100) == NULL) abort();
#endif
  (void)known;
  return mcp_tools_call(tools, sizeof tools / sizeof *tools, name, args,
                        args_len, buf, len);
}

static void free_string(uint8_t *ptr, size_t len) {
#if defined(SICK_LEAK)
  (void)ptr, (void)len;
#elif defined(SICK_ANSWER_SHARED)
  if (memcmp(ptr, "{\"calls", 7) != 0) mcp_free_string(ptr, len);
#elif defined(SICK_DOUBLE_FREE)
  mcp_free_string(ptr, len);
  __asm__ volatile("" : "+r"(ptr)); /* hide it from the compiler */
  mcp_free_string(ptr, len);
#else
  mcp_free_string(ptr, len);
#endif
}

/* --- Starting --------------------------------------------------------------
 */

static int32_t configure(const uint8_t *json, size_t len) {
#if defined(SICK_CONFIGURE_ALL)
  (void)json, (void)len;
  if (configured) return MCP_CONFIGURED;
#else
#if defined(SICK_CONFIGURE_CRASH)
  if (len > 0 && json[len - 1] != '}') abort();
#elif defined(SICK_CONFIGURE_NULL)
  if (json[0] != '{') return MCP_ERROR;
#elif defined(SICK_CONFIGURE_ONCE)
  if (configured) return MCP_ERROR;
#endif
  int64_t wanted = limit;
#if defined(SICK_CONFIGURE_CODE)
  if (mcp_arg_int64(json, len, "limit", &wanted) < 0) return 7;
#endif
  if (mcp_arg_int64(json, len, "limit", &wanted) < 0) return MCP_ERROR;
#if defined(SICK_HEALTHY_SAME)
  if (configured && wanted == limit) return MCP_OK;
#endif
#if !defined(SICK_CONFIGURE_AGAIN)
  if (configured) return MCP_CONFIGURED;
#endif
  limit = wanted;
#endif
  configured = 1;
  return MCP_OK;
}

static int32_t init(uint8_t **err, size_t *len) {
#if defined(SICK_INIT_CRASH)
  abort();
#elif defined(SICK_INIT_HANG)
  for (;;) sick_park(NULL);
#elif defined(SICK_INIT_NEEDS_CONFIG)
  if (!configured) return mcp_error(err, len, "no limit was given");
#elif defined(SICK_INIT_ONCE)
  static atomic_int done;
  if (done++ > 0) return mcp_error(err, len, "initialised already");
#endif
  if (limit < 1) {
#if defined(SICK_REFUSAL_ABORT)
    abort();
#elif defined(SICK_REFUSAL_TEXT)
    return mcp_reply(err, len, "limit!"), MCP_ERROR;
#elif defined(SICK_REFUSAL_SILENT)
    return *err = NULL, *len = 0, MCP_ERROR;
#else
    return mcp_error(err, len, "limit must be positive");
#endif
  }
  sick_init();
  return MCP_OK;
}

static int32_t schema(uint8_t **buf, size_t *len) {
#if defined(SICK_SCHEMA)
  return mcp_reply(buf, len, "[]");
#else
#if defined(SICK_CONFIGURE_LOOSE)
  const char *more = "false";
#else
  const char *more = "true";
#endif
  return mcp_reply(buf, len,
                   "{\"type\":\"object\",\"additionalProperties\":%s,"
                   "\"properties\":{\"limit\":{\"type\":\"integer\"}}}",
                   more);
#endif
}

/* --- The declaration -------------------------------------------------------
 */

#if defined(SICK_UNDEFINED)
extern uint64_t uv_hrtime(void);
__attribute__((used)) static uint64_t (*const borrowed)(void) = uv_hrtime;
#elif defined(SICK_EXPORTS_FOREIGN)
MCP_EXPORT void uv_run(void) {}
MCP_EXPORT void sqlite3_open(void) {}
#elif defined(SICK_EXPORTS_EXTRA)
MCP_EXPORT void helper_of_mine(void) {}
#elif defined(SICK_UNIQUE)
__asm__(
    ".data\n.globl only_one\n.type only_one, @gnu_unique_object\n"
    ".size only_one, 8\nonly_one: .quad 0\n.text\n");
#elif defined(SICK_TLS)
__attribute__((used)) static _Thread_local char lazy[8];
__attribute__((used)) static char *touch_lazy(void) {
  return lazy;
}
#elif defined(SICK_TEXTREL)
__asm__(".text\n.quad plugin_declaration\n");
#elif defined(SICK_STATIC_TLS)
__attribute__((used,
               tls_model("initial-exec"))) static _Thread_local char large[800];
__attribute__((used)) static char *touch_large(void) {
  return large;
}
#endif

#if defined(SICK_FUNCTION)
MCP_EXPORT void plugin_declaration(void);
void plugin_declaration(void) {
  abort();
}
__attribute__((used)) static const mcp_plugin unseen = {
#elif defined(SICK_NO_SIZE) /* the linker gives it the name, but no size */
MCP_EXPORT const mcp_plugin unsized = {
#elif defined(SICK_SYMBOL)
__attribute__((used)) static const mcp_plugin unseen = {
#elif defined(SICK_SHORT) || defined(SICK_OLD)
/* The first seven members. */
MCP_EXPORT const struct {
  const uint8_t *api_version;
  int32_t (*list_tools)(uint8_t **buf, size_t *len);
  int32_t (*execute_tool)(const char *name, const uint8_t *args,
                          size_t args_len, uint8_t **buf, size_t *len);
  void (*free_string)(uint8_t *ptr, size_t len);
  int32_t (*configure)(const uint8_t *json, size_t len);
  int32_t (*init)(uint8_t **err, size_t *err_len);
  int32_t (*get_config_schema)(uint8_t **buf, size_t *len);
} plugin_declaration = {
#elif defined(SICK_WRITABLE)
MCP_EXPORT mcp_plugin plugin_declaration = {
#else
MCP_EXPORT const mcp_plugin plugin_declaration = {
#endif
#if defined(SICK_VERSION)
    .api_version = (const uint8_t *)"five",
#elif defined(SICK_VERSION_WILD)
    .api_version = (const uint8_t *)8,
#elif defined(SICK_VERSION_NEW)
    .api_version = (const uint8_t *)"0.6.0",
#elif defined(SICK_OLD)
    .api_version = (const uint8_t *)"0.2.0",
#elif !defined(SICK_VERSION_NULL)
    .api_version = (const uint8_t *)MCP_PLUGIN_API_VERSION,
#endif
    .list_tools = list_tools,
#if defined(SICK_POINTER)
    .execute_tool = (int32_t (*)(const char *, const uint8_t *, size_t,
                                 uint8_t **, size_t *))(uintptr_t)schema_of_t,
#elif !defined(SICK_MISSING)
    .execute_tool = execute_tool,
#endif
#if defined(SICK_ELSEWHERE)
    .free_string = (void (*)(uint8_t *, size_t))(void (*)(void))free,
#else
    .free_string = free_string,
#endif
#if !defined(SICK_CONFIGURE_NONE)
    .configure = configure,
#endif
    .init = init,
#if !defined(SICK_HEALTHY_NO_SCHEMA)
    .get_config_schema = schema,
#endif
};

#if defined(SICK_MISSING) || defined(SICK_POINTER)
__attribute__((used)) static int32_t (*const unused)(const char *,
                                                     const uint8_t *, size_t,
                                                     uint8_t **,
                                                     size_t *) = execute_tool;
#endif
