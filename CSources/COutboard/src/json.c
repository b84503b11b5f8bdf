/* The JSON writer. A printf that counts on past the end of the buffer, and
 * strings that a parser takes whatever bytes a name has. */
#include "json.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "internal.h"

static void put(ob__json *json, char c) {
  if (json->used + 1 < json->size) json->buffer[json->used] = c;
  json->used++;
}

void ob__json_add(ob__json *json, const char *format, ...) {
  char text[512];
  va_list args;
  int length, i;
  va_start(args, format);
  length = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  for (i = 0; i < length && i < (int)sizeof text - 1; i++) put(json, text[i]);
}

static int is_more(unsigned char c) {
  return (c & 0xc0) == 0x80;
}

/* The length of the UTF-8 character there (RFC 3629), or 0. */
static size_t character(const unsigned char *at, size_t left) {
  size_t length, i;
  if (at[0] < 0x80) return 1;
  if (at[0] < 0xc2 || at[0] > 0xf4) return 0;
  length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
  if (length > left) return 0;
  for (i = 1; i < length; i++)
    if (!is_more(at[i])) return 0;
  if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
      (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
    return 0; /* too long, a surrogate, too high */
  return length;
}

void ob__json_string(ob__json *json, const char *text, size_t most) {
  const unsigned char *at = (const unsigned char *)text;
  size_t end = 0, i, length;
  while (end < most && at[end] != '\0') end++;
  put(json, '"');
  for (i = 0; i < end; i += length) {
    length = character(at + i, end - i);
    if (length == 0) {
      ob__json_add(json, "\\ufffd");
      length = 1;
    } else if (at[i] < 0x20 || at[i] == 0x7f) {
      ob__json_add(json, "\\u%04x", at[i]);
    } else if (at[i] == '"' || at[i] == '\\') {
      put(json, '\\');
      put(json, (char)at[i]);
    } else {
      size_t k;
      for (k = 0; k < length; k++) put(json, (char)at[i + k]);
    }
  }
  put(json, '"');
}

int ob__json_end(ob__json *json) {
  if (json->size > 0)
    json->buffer[json->used < json->size ? json->used : json->size - 1] = '\0';
  if (json->used > INT_MAX)
    return ob__fail(OB_EMSGSIZE, "the text has %zu bytes, too many for an int",
                    json->used);
  return (int)json->used;
}
