/* The plugin ABI of synchronous MCP hosts, as a C header.
 *
 * A plugin is a shared object that exports one data symbol,
 * `plugin_declaration`, and nothing else need be visible. The host loads it
 * and calls, in this order, configure, init, then the rest. A host that only
 * wants the schemas may call list_tools and get_config_schema before
 * configure. There is no shutdown: a plugin lives until the process ends.
 *
 * Ownership
 *   Inputs are borrowed for the call. A buffer that the plugin hands out
 *   through (buf, len) is the host's until it gives the exact pair to
 *   free_string. Buffers are bytes of UTF-8 JSON with no NUL at their end.
 *   After a failure *buf may be NULL and *len 0: there is nothing to free.
 *
 * Threads
 *   configure and init run once, on one thread, before any tool. Everything
 *   else may be called by several threads at once; free_string on a thread
 *   other than the one that got the buffer.
 *
 * Return codes
 *   0 success; another number is an error. Tools, resources and init explain
 *   it by the body {"error":"..."} with code 1. configure has no text: 1 says
 *   that it did not understand, 2 that it was configured already. A plugin that
 *   stays loaded past dlclose (-z nodelete) is the same instance for whoever
 *   loads it next: it answers 0 to the configuration that holds, 2 to another.
 *
 * Versions
 *   The struct has no size field. Its api_version names the newest member that
 *   is there, and hosts read no further; newer hosts of the 0.x line read an
 *   older plugin past its end. Export all 80 bytes, the unused ones NULL.
 *
 * A complete plugin:
 *
 *   #include <inttypes.h>
 *   #include <mcp_plugin.h>
 *
 *   static int32_t halve(const uint8_t *args, size_t args_len, uint8_t **buf,
 *                        size_t *len) {
 *     int64_t n;
 *     if (mcp_arg_int64(args, args_len, "n", &n) != 0)
 *       return mcp_error(buf, len, "n must be an integer");
 *     return mcp_reply(buf, len, "{\"half\":%" PRId64 "}", n / 2);
 *   }
 *
 *   static const mcp_tool tools[] = {
 *       {"halve", "Halves an integer.",
 *        "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"
 *        "\"required\":[\"n\"]}", halve}};
 *   MCP_PLUGIN(tools);
 */
#ifndef MCP_PLUGIN_H
#define MCP_PLUGIN_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header, and the symbol that a host looks up. */
#define MCP_PLUGIN_API_VERSION "0.5.0"
#define MCP_PLUGIN_SYMBOL "plugin_declaration"

enum mcp_code {
  MCP_OK = 0,
  MCP_ERROR = 1,      /* body: {"error":"..."}; configure: not understood */
  MCP_CONFIGURED = 2, /* configure only: otherwise, and already */
};

/* The declaration. 'Since' is the api_version that brought the member; hosts
 * must not read members newer than the api_version they find. */
typedef struct mcp_plugin {
  /* "0.5.0", NUL-terminated. Since 0.1. */
  const uint8_t *api_version;

  /* A bare array of tools, [{"name","description","inputSchema"}], where
   * inputSchema is {"type":"object","properties":{..},"required":[..]}.
   * Since 0.1. */
  int32_t (*list_tools)(uint8_t **buf, size_t *len);

  /* Calls the tool with a JSON object. name is NUL-terminated, args is not.
   * The result is any JSON, by custom {"content":[{"type":"text","text":..}]}
   * or {"type":"json","json":..}. Since 0.1. */
  int32_t (*execute_tool)(const char *name, const uint8_t *args,
                          size_t args_len, uint8_t **buf, size_t *len);

  /* Frees a buffer of this plugin; the pair as it was given. Since 0.1. */
  void (*free_string)(uint8_t *ptr, size_t len);

  /* Takes the configuration, a JSON object. May be NULL. Since 0.1. */
  int32_t (*configure)(const uint8_t *json, size_t len);

  /* Starts up: connect, open. May be NULL. Since 0.1. */
  int32_t (*init)(uint8_t **err, size_t *err_len);

  /* JSON Schema of the configuration. May be NULL. Since 0.1. */
  int32_t (*get_config_schema)(uint8_t **buf, size_t *len);

  /* {"resources":[..]}. May be NULL. Since 0.3. */
  int32_t (*list_resources)(uint8_t **buf, size_t *len);

  /* {"contents":[{"uri","mimeType"?,"text"|"blob"}]}; uri is not
   * NUL-terminated. May be NULL. Since 0.3. */
  int32_t (*read_resource)(const uint8_t *uri, size_t uri_len, uint8_t **buf,
                           size_t *len);

  /* {"resourceTemplates":[..]}. May be NULL. Since 0.5. */
  int32_t (*list_resource_templates)(uint8_t **buf, size_t *len);
} mcp_plugin;

#ifdef __cplusplus
#define MCP__ASSERT static_assert
#else
#define MCP__ASSERT _Static_assert
#endif

/* The layout is the contract: LP64, ten words. */
#define MCP__AT(member, offset)                         \
  MCP__ASSERT(offsetof(mcp_plugin, member) == (offset), \
              #member " must lie at offset " #offset)
MCP__AT(api_version, 0);
MCP__AT(list_tools, 8);
MCP__AT(execute_tool, 16);
MCP__AT(free_string, 24);
MCP__AT(configure, 32);
MCP__AT(init, 40);
MCP__AT(get_config_schema, 48);
MCP__AT(list_resources, 56);
MCP__AT(read_resource, 64);
MCP__AT(list_resource_templates, 72);
MCP__ASSERT(sizeof(mcp_plugin) == 80, "the declaration has 80 bytes");

/* --- Helpers for plugins in C ----------------------------------------------
 * Compiled into the plugin (src/mcp_plugin.c); hosts need none of them. */

/* Marks the one symbol that a plugin exports. */
#define MCP_EXPORT __attribute__((visibility("default"), used))

#if defined(__GNUC__)
#define MCP__PRINTF __attribute__((format(printf, 3, 4)))
#else
#define MCP__PRINTF
#endif

/* Answers with printf-formatted JSON and returns MCP_OK. Without memory it
 * returns MCP_ERROR with no body. The host owns *buf: mcp_free_string. */
MCP__PRINTF int32_t mcp_reply(uint8_t **buf, size_t *len, const char *format,
                              ...);

/* Answers {"error":"..."}, the formatted text escaped as JSON needs it, and
 * returns MCP_ERROR. Without memory the body is missing. */
MCP__PRINTF int32_t mcp_error(uint8_t **buf, size_t *len, const char *format,
                              ...);

/* Answers with a copy of size bytes; returns as mcp_reply. */
int32_t mcp_reply_bytes(uint8_t **buf, size_t *len, const void *bytes,
                        size_t size);

/* The free_string that belongs to these; any thread, NULL allowed. */
void mcp_free_string(uint8_t *ptr, size_t len);

/* text as a JSON string with its quotes; free() it. NULL without memory. Bytes
 * that are not UTF-8 become U+FFFD. */
char *mcp_quote(const char *text);

/* Reads the integer member `name` of a JSON object. 0: found, 1: not there or
 * null (*out is left alone), -1: there and no integer of 64 bits, or args are
 * not a JSON object in UTF-8. Members of nested objects are not looked at. */
int mcp_arg_int64(const uint8_t *args, size_t args_len, const char *name,
                  int64_t *out);

/* One tool: its call is execute_tool without the name. */
typedef struct mcp_tool {
  const char *name;
  const char *description;  /* plain text */
  const char *input_schema; /* JSON */
  int32_t (*call)(const uint8_t *args, size_t args_len, uint8_t **buf,
                  size_t *len);
} mcp_tool;

#define MCP_NO_ARGUMENTS \
  "{\"type\":\"object\",\"properties\":{},\"required\":[]}"

/* list_tools and execute_tool over a table. An unknown tool is an error that
 * names it. */
int32_t mcp_tools_list(const mcp_tool *tools, size_t count, uint8_t **buf,
                       size_t *len);
int32_t mcp_tools_call(const mcp_tool *tools, size_t count, const char *name,
                       const uint8_t *args, size_t args_len, uint8_t **buf,
                       size_t *len);

/* Defines the declaration over an array of mcp_tool. */
#define MCP_PLUGIN(tools) MCP_PLUGIN_WITH(tools, .configure = NULL)

/* The same with further members: MCP_PLUGIN_WITH(tools, .init = start) */
#define MCP_PLUGIN_WITH(tools, ...)                                           \
  static int32_t mcp__list(uint8_t **buf, size_t *len) {                      \
    return mcp_tools_list(tools, sizeof(tools) / sizeof *(tools), buf, len);  \
  }                                                                           \
  static int32_t mcp__call(const char *name, const uint8_t *args,             \
                           size_t args_len, uint8_t **buf, size_t *len) {     \
    return mcp_tools_call(tools, sizeof(tools) / sizeof *(tools), name, args, \
                          args_len, buf, len);                                \
  }                                                                           \
  MCP_EXPORT const mcp_plugin plugin_declaration = {                          \
      .api_version = (const uint8_t *)MCP_PLUGIN_API_VERSION,                 \
      .list_tools = mcp__list,                                                \
      .execute_tool = mcp__call,                                              \
      .free_string = mcp_free_string,                                         \
      __VA_ARGS__}

#ifdef __cplusplus
}
#endif

#endif
