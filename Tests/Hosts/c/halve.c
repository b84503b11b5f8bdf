/* The dozen lines of mcp_plugin.h's introduction, as they stand there. */
#include <inttypes.h>
#include <mcp_plugin.h>

static int32_t halve(const uint8_t *args, size_t args_len, uint8_t **buf,
                     size_t *len) {
  int64_t n;
  if (mcp_arg_int64(args, args_len, "n", &n) != 0)
    return mcp_error(buf, len, "n must be an integer");
  return mcp_reply(buf, len, "{\"half\":%" PRId64 "}", n / 2);
}

static const mcp_tool tools[] = {
    {"halve", "Halves an integer.",
     "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"
     "\"required\":[\"n\"]}",
     halve}};
MCP_PLUGIN(tools);
