/* JSON into a caller's buffer, counted on when that is full. */
#ifndef OB_JSON_H
#define OB_JSON_H

#include <stddef.h>

typedef struct ob__json {
  char *buffer;
  size_t size; /* of buffer */
  size_t used; /* of what was written or would have been */
} ob__json;

/* Text as it is. */
void ob__json_add(ob__json *json, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A string with its quotes; what is no UTF-8 becomes U+FFFD. */
void ob__json_string(ob__json *json, const char *text, size_t most);
/* Ends the text. Its length, or OB_EMSGSIZE when that is no int. */
int ob__json_end(ob__json *json);

#endif
