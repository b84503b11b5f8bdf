/* Plugins that break the ABI, one per BAD_* switch given to the compiler. */
#include <mcp_plugin.h>

static int32_t answer(const uint8_t *args, size_t args_len, uint8_t **buf,
                      size_t *len) {
  (void)args, (void)args_len;
#if defined(BAD_ANSWER_TEXT)
  return mcp_reply(buf, len, "price: 5");
#elif defined(BAD_ANSWER_NONE)
  *buf = NULL;
  *len = 0;
  return MCP_OK;
#elif defined(BAD_ERROR_NONE)
  *buf = NULL;
  *len = 0;
  return 77;
#else
  return mcp_reply(buf, len, "{}");
#endif
}

static const mcp_tool tools[] = {{"t", "A tool.", MCP_NO_ARGUMENTS, answer}};

__attribute__((unused)) static int32_t list_tools(uint8_t **buf, size_t *len) {
#if defined(BAD_LIST_TEXT)
  return mcp_reply(buf, len, "[{\"name\":\"t\"");
#elif defined(BAD_LIST_OBJECT)
  return mcp_reply(buf, len, "{\"tools\":[]}");
#elif defined(BAD_LIST_UNNAMED)
  return mcp_reply(buf, len, "[{\"description\":\"?\"}]");
#elif defined(BAD_LIST_FAILS)
  return mcp_error(buf, len, "no tools today");
#else
  return mcp_tools_list(tools, 1, buf, len);
#endif
}

__attribute__((unused)) static int32_t execute_tool(const char *name,
                                                    const uint8_t *args,
                                                    size_t args_len,
                                                    uint8_t **buf,
                                                    size_t *len) {
  return mcp_tools_call(tools, 1, name, args, args_len, buf, len);
}

__attribute__((unused)) static int32_t configure(const uint8_t *json,
                                                 size_t len) {
  (void)json, (void)len;
#if defined(BAD_CONFIGURE_TWICE)
  return MCP_CONFIGURED;
#elif defined(BAD_CONFIGURE)
  return MCP_ERROR;
#else
  return MCP_OK;
#endif
}

__attribute__((unused)) static int32_t init(uint8_t **err, size_t *len) {
#if defined(BAD_INIT_TEXT)
  return mcp_error(err, len, "cannot reach the \"database\"");
#elif defined(BAD_INIT_SILENT)
  *err = NULL;
  *len = 0;
  return 5;
#else
  (void)err, (void)len;
  return MCP_OK;
#endif
}

__attribute__((unused)) static int32_t schema(uint8_t **buf, size_t *len) {
  return mcp_reply(buf, len, "not a schema");
}

#if defined(BAD_UNDEFINED)
extern int32_t nowhere(uint8_t **buf, size_t *len);
#endif

#if !defined(BAD_SYMBOL)
MCP_EXPORT const mcp_plugin plugin_declaration = {
#if defined(BAD_VERSION_NEW)
    .api_version = (const uint8_t *)"0.6.0",
#elif defined(BAD_VERSION_MAJOR)
    .api_version = (const uint8_t *)"1.0.0",
#elif defined(BAD_VERSION_TEXT)
    .api_version = (const uint8_t *)"five",
#elif !defined(BAD_VERSION_NULL)
    .api_version = (const uint8_t *)MCP_PLUGIN_API_VERSION,
#endif
#if !defined(BAD_NULL_LIST)
    .list_tools = list_tools,
#endif
#if !defined(BAD_NULL_EXECUTE)
    .execute_tool = execute_tool,
#endif
#if !defined(BAD_NULL_FREE)
    .free_string = mcp_free_string,
#endif
#if !defined(BAD_NULL_CONFIGURE)
    .configure = configure,
#endif
    .init = init,
#if defined(BAD_UNDEFINED)
    .get_config_schema = nowhere,
#elif defined(BAD_SCHEMA)
    .get_config_schema = schema,
#endif
};
#endif
