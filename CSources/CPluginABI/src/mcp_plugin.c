/* Helpers for plugins in C: replies, errors, the tools table.
 *
 * Every buffer comes from malloc, so that one free_string serves them all.
 * None of these aborts: a plugin that ran out of memory returns MCP_ERROR with
 * no body and its host goes on. */
#include "mcp_plugin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A growing text. */
struct text {
  char *data;      /* not NUL-terminated; NULL when empty or failed */
  size_t size;     /* bytes used */
  size_t capacity; /* bytes allocated */
  int failed;      /* set once, then every append is ignored */
};

static void append(struct text *text, const void *bytes, size_t size) {
  if (text->failed || size == 0) return;
  if (size > text->capacity - text->size) {
    size_t capacity = text->capacity * 2 + size + 64;
    char *data = realloc(text->data, capacity);
    if (data == NULL) {
      free(text->data);
      *text = (struct text){.failed = 1};
      return;
    }
    text->data = data;
    text->capacity = capacity;
  }
  memcpy(text->data + text->size, bytes, size);
  text->size += size;
}

static void append_text(struct text *text, const char *s) {
  append(text, s, strlen(s));
}

/* Length of the UTF-8 sequence at s, 0 if it is none (overlong forms,
 * surrogates and numbers above U+10FFFF are none). Reads no further than the
 * first byte that does not belong, so a NUL ends it. */
static size_t utf8_length(const unsigned char *s) {
  if (s[0] < 0x80) return 1;
  if (s[0] < 0xC2 || s[0] > 0xF4) return 0;
  size_t length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
  unsigned low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
  unsigned high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
  if (s[1] < low || s[1] > high) return 0;
  for (size_t i = 2; i < length; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  return length;
}

static void append_quoted(struct text *text, const char *s) {
  const unsigned char *at = (const unsigned char *)s;
  append_text(text, "\"");
  while (*at != 0) {
    size_t length = utf8_length(at);
    if (length == 0) {
      append_text(text, "\xEF\xBF\xBD");
      length = 1;
    } else if (*at == '"' || *at == '\\') {
      append(text, "\\", 1);
      append(text, at, 1);
    } else if (*at < 0x20) {
      char escape[8];
      snprintf(escape, sizeof escape, "\\u%04x", *at);
      append_text(text, escape);
    } else {
      append(text, at, length);
    }
    at += length;
  }
  append_text(text, "\"");
}

/* Hands the text to the host; without memory there is none to hand over. */
static int32_t give(struct text *text, int32_t code, uint8_t **buf,
                    size_t *len) {
  *buf = (uint8_t *)text->data;
  *len = text->size;
  return text->failed ? MCP_ERROR : code;
}

static char *format_text(const char *format, va_list arguments) {
  char *formatted = NULL;
  va_list again;
  va_copy(again, arguments);
  int size = vsnprintf(NULL, 0, format, arguments);
  if (size >= 0) formatted = malloc((size_t)size + 1);
  if (formatted != NULL) vsnprintf(formatted, (size_t)size + 1, format, again);
  va_end(again);
  return formatted;
}

int32_t mcp_reply(uint8_t **buf, size_t *len, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *formatted = format_text(format, arguments);
  va_end(arguments);
  *buf = (uint8_t *)formatted;
  *len = formatted != NULL ? strlen(formatted) : 0;
  return formatted != NULL ? MCP_OK : MCP_ERROR;
}

int32_t mcp_error(uint8_t **buf, size_t *len, const char *format, ...) {
  struct text text = {0};
  va_list arguments;
  va_start(arguments, format);
  char *formatted = format_text(format, arguments);
  va_end(arguments);
  append_text(&text, "{\"error\":");
  append_quoted(&text, formatted != NULL ? formatted : "out of memory");
  append_text(&text, "}");
  free(formatted);
  return give(&text, MCP_ERROR, buf, len);
}

int32_t mcp_reply_bytes(uint8_t **buf, size_t *len, const void *bytes,
                        size_t size) {
  struct text text = {0};
  append(&text, bytes, size);
  return give(&text, MCP_OK, buf, len);
}

void mcp_free_string(uint8_t *ptr, size_t len) {
  (void)len;
  free(ptr);
}

char *mcp_quote(const char *s) {
  struct text text = {0};
  append_quoted(&text, s);
  append(&text, "", 1);
  return text.data;
}

int32_t mcp_tools_list(const mcp_tool *tools, size_t count, uint8_t **buf,
                       size_t *len) {
  struct text text = {0};
  append_text(&text, "[");
  for (size_t i = 0; i < count; i++) {
    append_text(&text, i == 0 ? "{\"name\":" : ",{\"name\":");
    append_quoted(&text, tools[i].name);
    append_text(&text, ",\"description\":");
    append_quoted(&text, tools[i].description);
    append_text(&text, ",\"inputSchema\":");
    append_text(&text, tools[i].input_schema);
    append_text(&text, "}");
  }
  append_text(&text, "]");
  return give(&text, MCP_OK, buf, len);
}

int32_t mcp_tools_call(const mcp_tool *tools, size_t count, const char *name,
                       const uint8_t *args, size_t args_len, uint8_t **buf,
                       size_t *len) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(tools[i].name, name) == 0)
      return tools[i].call(args, args_len, buf, len);
  return mcp_error(buf, len, "Unknown tool: %s", name);
}
