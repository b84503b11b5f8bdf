/* Copies of a few bytes without a call. */
#ifndef OB_COPY_H
#define OB_COPY_H

#include <stddef.h>
#include <string.h>

/* 1 to 32 bytes: two copies of a fixed size, which may overlap. */
static inline void ob__copy_few(void *to, const void *from, size_t size) {
  char *out = (char *)to;
  const char *in = (const char *)from;
#define OB__ENDS(n)                    \
  do {                                 \
    char head[n], tail[n];             \
    memcpy(head, in, n);               \
    memcpy(tail, in + size - (n), n);  \
    memcpy(out, head, n);              \
    memcpy(out + size - (n), tail, n); \
  } while (0)
  if (size >= 16)
    OB__ENDS(16);
  else if (size >= 8)
    OB__ENDS(8);
  else if (size >= 4)
    OB__ENDS(4);
  else if (size >= 2)
    OB__ENDS(2);
  else
    *out = *in;
#undef OB__ENDS
}

#endif
