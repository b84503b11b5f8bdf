/* A plugin that keeps to the ABI and watches whether its host does: a buffer
 * that comes back with another length, or twice, ends the process. */
#include <mcp_plugin.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALIVE UINT64_C(0x6f7574626f617264)

/* Stands before each buffer. */
struct header {
  uint64_t mark; /* ALIVE until freed */
  size_t size;   /* as given to the host */
};

static atomic_long open_buffers;
static atomic_ulong calls;

/* Moves a buffer of the helpers behind a header. */
static int32_t guard(int32_t code, uint8_t **buf, const size_t *len) {
  struct header *header = malloc(sizeof *header + *len);
  if (header == NULL) abort();
  *header = (struct header){ALIVE, *len};
  memcpy(header + 1, *buf, *len);
  mcp_free_string(*buf, *len);
  *buf = (uint8_t *)(header + 1);
  open_buffers++;
  return code;
}

static void checked_free(uint8_t *ptr, size_t len) {
  struct header *header = (struct header *)(void *)ptr - 1;
  if (header->mark != ALIVE || header->size != len) {
    fprintf(stderr, "good.c: free_string with a pair that is not ours\n");
    abort();
  }
  header->mark = 0;
  free(header);
  open_buffers--;
}

static int32_t echo(const uint8_t *args, size_t args_len, uint8_t **buf,
                    size_t *len) {
  return guard(mcp_reply_bytes(buf, len, args, args_len), buf, len);
}

static int32_t broken(const uint8_t *args, size_t args_len, uint8_t **buf,
                      size_t *len) {
  (void)args, (void)args_len;
  return guard(mcp_error(buf, len, "broken \"on\" purpose"), buf, len);
}

static int32_t count(const uint8_t *args, size_t args_len, uint8_t **buf,
                     size_t *len) {
  (void)args, (void)args_len;
  return guard(mcp_reply(buf, len, "{\"calls\":%lu}", ++calls), buf, len);
}

/* Loses the answer of every 1,000th call. */
static int32_t drop(const uint8_t *args, size_t args_len, uint8_t **buf,
                    size_t *len) {
  if (++calls % 1000 != 0) return echo(args, args_len, buf, len);
  *buf = NULL;
  *len = 0;
  return MCP_OK;
}

/* Fails every 100th call. */
static int32_t flaky(const uint8_t *args, size_t args_len, uint8_t **buf,
                     size_t *len) {
  if (++calls % 100 == 0) return broken(args, args_len, buf, len);
  return echo(args, args_len, buf, len);
}

/* Answers the first call only. */
static int32_t hang(const uint8_t *args, size_t args_len, uint8_t **buf,
                    size_t *len) {
  if (++calls > 1)
    for (;;) pause();
  return echo(args, args_len, buf, len);
}

static int32_t buffers(const uint8_t *args, size_t args_len, uint8_t **buf,
                       size_t *len) {
  (void)args, (void)args_len;
  return guard(mcp_reply(buf, len, "{\"open\":%ld}", (long)open_buffers), buf,
               len);
}

static int32_t schema(uint8_t **buf, size_t *len) {
  return guard(mcp_reply(buf, len, "{\"type\":\"object\"}"), buf, len);
}

static const mcp_tool tools[] = {
    {"echo", "Answers its arguments.",
     "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\","
     "\"description\":\"Anything.\"},\"n\":{\"type\":\"integer\"}},"
     "\"required\":[\"text\"]}",
     echo},
    {"broken", "Fails.", MCP_NO_ARGUMENTS, broken},
    {"count", "Counts calls.", MCP_NO_ARGUMENTS, count},
    {"drop", "Loses answers.", MCP_NO_ARGUMENTS, drop},
    {"flaky", "Fails now and then.", MCP_NO_ARGUMENTS, flaky},
    {"hang", "Hangs.", MCP_NO_ARGUMENTS, hang},
    {"buffers", "Counts buffers.", MCP_NO_ARGUMENTS, buffers},
};

static int32_t list(uint8_t **buf, size_t *len) {
  return guard(mcp_tools_list(tools, sizeof tools / sizeof *tools, buf, len),
               buf, len);
}

static int32_t call(const char *name, const uint8_t *args, size_t args_len,
                    uint8_t **buf, size_t *len) {
  for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
    if (strcmp(tools[i].name, name) == 0)
      return tools[i].call(args, args_len, buf, len);
  return guard(mcp_error(buf, len, "Unknown tool: %s", name), buf, len);
}

MCP_EXPORT const mcp_plugin plugin_declaration = {
    .api_version = (const uint8_t *)MCP_PLUGIN_API_VERSION,
    .list_tools = list,
    .execute_tool = call,
    .free_string = checked_free,
    .get_config_schema = schema,
};
