/* Counts every allocation of a process between ob_probe_begin and
 * ob_probe_end, whoever makes it: our core, the Swift runtime, the C library.
 * Preloaded; the functions behind are glibc's own (__libc_malloc and friends).
 * A line per section goes to stderr: FAIL when it has allocated more often than
 * it promises, for each operation and 1% for what happens now and then. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void ob_probe_begin(const char *what);
void ob_probe_end(const char *what, uint64_t operations, uint64_t most);

static int counting;
static uint64_t allocations;

static void count(void) {
  if (__atomic_load_n(&counting, __ATOMIC_RELAXED))
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size) {
  count();
  return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
  count();
  return __libc_calloc(n, size);
}

void *realloc(void *old, size_t size) {
  count();
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
  void *memory;
  count();
  memory = __libc_memalign(alignment, size);
  if (memory == NULL) return ENOMEM;
  *out = memory;
  return 0;
}

void ob_probe_begin(const char *what) {
  /* Proves that what the process allocates comes through here. */
  void *volatile probe;
  uint64_t before = __atomic_load_n(&allocations, __ATOMIC_RELAXED);
  __atomic_store_n(&counting, 1, __ATOMIC_SEQ_CST);
  probe = malloc(1);
  free(probe);
  if (__atomic_load_n(&allocations, __ATOMIC_RELAXED) == before) {
    fprintf(stderr, "FAIL %s: the interposer does not see allocations\n", what);
    _Exit(1);
  }
  __atomic_store_n(&allocations, 0, __ATOMIC_SEQ_CST);
}

void ob_probe_end(const char *what, uint64_t operations, uint64_t most) {
  uint64_t seen, allowed = most * operations * 101 / 100;
  __atomic_store_n(&counting, 0, __ATOMIC_SEQ_CST);
  seen = __atomic_load_n(&allocations, __ATOMIC_SEQ_CST);
  fprintf(stderr, "%s %s: %llu allocations in %llu operations, %llu allowed\n",
          seen <= allowed ? "ok  " : "FAIL", what, (unsigned long long)seen,
          (unsigned long long)operations, (unsigned long long)allowed);
}
