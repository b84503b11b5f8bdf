/* What both addons share: N-API calls that throw, and values of JavaScript. */
#ifndef HOST_NAPI_H
#define HOST_NAPI_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the process: an addon of a test has no use for half a value. While an
 * environment is being ended, its JavaScript can be given nothing any more. */
static inline void must(napi_status status, const char *what, int line) {
  if (status == napi_ok || status == napi_pending_exception) return;
  fprintf(stderr, "N-API: %s: status %d (line %d)\n", what, status, line);
  abort();
}
#define MUST(call) must((call), #call, __LINE__)

/* The arguments of a call from JavaScript; missing ones are undefined. */
static inline void take(napi_env env, napi_callback_info info, size_t count,
                        napi_value *into) {
  MUST(napi_get_cb_info(env, info, &count, into, NULL, NULL));
}

/* A string of JavaScript, malloc'd. */
static inline char *text_of(napi_env env, napi_value value) {
  size_t length = 0;
  char *text;
  MUST(napi_get_value_string_utf8(env, value, NULL, 0, &length));
  text = malloc(length + 1);
  if (text == NULL) abort();
  MUST(napi_get_value_string_utf8(env, value, text, length + 1, &length));
  return text;
}

static inline int64_t int_of(napi_env env, napi_value value) {
  int64_t number = 0;
  MUST(napi_get_value_int64(env, value, &number));
  return number;
}

static inline napi_value to_int(napi_env env, int64_t number) {
  napi_value value;
  MUST(napi_create_int64(env, number, &value));
  return value;
}

static inline napi_value to_text(napi_env env, const char *text) {
  napi_value value;
  if (text == NULL)
    MUST(napi_get_null(env, &value));
  else
    MUST(napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value));
  return value;
}

static inline void export_function(napi_env env, napi_value exports,
                                   const char *name, napi_callback function) {
  napi_value value;
  MUST(napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL,
                            &value));
  MUST(napi_set_named_property(env, exports, name, value));
}

#endif
