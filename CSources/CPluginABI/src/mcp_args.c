/* Reads integers out of a tool's arguments without a JSON library.
 *
 * One pass over the outermost object; nested values are skipped by counting
 * brackets outside strings. It is a reader, no validator: text that is broken
 * inside a skipped value passes, text whose outline is broken, or that is not
 * UTF-8, does not. */
#include "mcp_plugin.h"

#include <string.h>

/* What is left to read. */
struct reader {
  const char *at;
  const char *end;
};

static void skip_space(struct reader *in) {
  while (in->at < in->end && strchr(" \t\r\n", *in->at) != NULL && *in->at != 0)
    in->at++;
}

/* Takes c, after space. */
static int take(struct reader *in, char c) {
  skip_space(in);
  if (in->at == in->end || *in->at != c) return 0;
  in->at++;
  return 1;
}

/* Moves behind a string's closing quote; at stands behind its first. */
static int skip_string(struct reader *in) {
  while (in->at < in->end && *in->at != '"') {
    if (*in->at == '\\') in->at++;
    if (in->at < in->end) in->at++;
  }
  return take(in, '"');
}

/* Moves behind a value: to the comma or bracket that follows it. */
static int skip_value(struct reader *in) {
  size_t depth = 0;
  skip_space(in);
  const char *start = in->at;
  for (; in->at < in->end; in->at++) {
    char c = *in->at;
    if (c == '"') {
      in->at++;
      if (!skip_string(in)) return 0;
      in->at--;
    } else if (c == '{' || c == '[') {
      depth++;
    } else if ((c == '}' || c == ']' || c == ',') && depth == 0) {
      return in->at > start;
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return 0;
}

/* The integer that fills [at, end) but for space: 0, 1 for null, else -1. */
static int parse_int64(struct reader in, int64_t *out) {
  skip_space(&in);
  while (in.end > in.at && strchr(" \t\r\n", in.end[-1]) != NULL) in.end--;
  if (in.end - in.at == 4 && memcmp(in.at, "null", 4) == 0) return 1;
  int negative = in.at < in.end && *in.at == '-';
  in.at += negative;
  if (in.at == in.end || (*in.at == '0' && in.end - in.at > 1)) return -1;
  int64_t value = 0; /* kept negative, for INT64_MIN has no positive */
  for (; in.at < in.end; in.at++) {
    if (*in.at < '0' || *in.at > '9') return -1;
    if (__builtin_mul_overflow(value, 10, &value) ||
        __builtin_sub_overflow(value, *in.at - '0', &value))
      return -1;
  }
  if (!negative && __builtin_sub_overflow(0, value, &value)) return -1;
  *out = value;
  return 0;
}

/* Overlong forms, surrogates and numbers above U+10FFFF are none. */
static int is_utf8(const uint8_t *at, const uint8_t *end) {
  while (at < end) {
    uint8_t first = *at++;
    if (first < 0x80) continue;
    if (first < 0xC2 || first > 0xF4) return 0;
    ptrdiff_t more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (end - at < more || *at < low || *at > high) return 0;
    for (at++; --more > 0; at++)
      if ((*at & 0xC0) != 0x80) return 0;
  }
  return 1;
}

int mcp_arg_int64(const uint8_t *args, size_t args_len, const char *name,
                  int64_t *out) {
  struct reader in = {(const char *)args, (const char *)args + args_len};
  size_t name_len = strlen(name);
  int64_t number = 0;
  int found = 1;
  if (args_len == 0 || !is_utf8(args, args + args_len)) return -1;
  if (!take(&in, '{')) return -1;
  if (take(&in, '}')) return 1;
  do {
    if (!take(&in, '"')) return -1;
    const char *key = in.at;
    if (!skip_string(&in)) return -1;
    size_t key_len = (size_t)(in.at - key) - 1;
    if (!take(&in, ':')) return -1;
    struct reader value = {in.at, in.end};
    if (!skip_value(&in)) return -1;
    value.end = in.at;
    if (key_len == name_len && memcmp(key, name, key_len) == 0)
      found = parse_int64(value, &number);
  } while (take(&in, ','));
  if (!take(&in, '}')) return -1;
  if (found == 0) *out = number;
  return found;
}
