/* Counts allocations of the whole process, shared libraries included, by
 * standing in front of the C library's functions. Off unless allocs=1: then one
 * well-predicted branch is all it costs. */
#include <errno.h>
#include <stdlib.h>

#include "driver.h"

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *data, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

/* On a line of its own, so that nobody's writes slow the look at it. */
static struct {
  _Alignas(128) int on;
} counting;
static uint64_t counted;

void alloc_start_counting(void) {
  counting.on = 1;
}

uint64_t alloc_count(void) {
  return __atomic_load_n(&counted, __ATOMIC_RELAXED);
}

static inline void note(void) {
  if (__builtin_expect(counting.on, 0))
    __atomic_fetch_add(&counted, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
  note();
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  note();
  return __libc_calloc(count, size);
}

void *realloc(void *data, size_t size) {
  note();
  return __libc_realloc(data, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
  void *data;
  note();
  data = __libc_memalign(alignment, size);
  if (data == NULL) return ENOMEM;
  *out = data;
  return 0;
}
