/* The malloc of this program, which the plugins bind to: the C library's, with
 * a record of every live block beside it.
 *
 * The record is a hash table in 256 shards, each under a spin lock and in pages
 * of its own. It is there before main: what the C library allocates early may
 * be freed later. A pointer that is not live is counted and not passed on, so
 * that a plugin that frees twice is caught by number and not by a crash. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "doctor.h"

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *ptr);

#define SHARDS 256
#define FIRST_ROOM 256 /* entries; a power of two */
#define EXPORT __attribute__((visibility("default"), used, noinline))
#define CALLER __builtin_return_address(0)

struct entry {
  uintptr_t ptr; /* 0: empty */
  void *site;
  size_t size;
  unsigned generation;
};

struct shard {
  _Alignas(64) atomic_flag lock;
  struct entry *entries;
  size_t room, used;
};

static struct shard shards[SHARDS];
static atomic_int off;
static atomic_uint generation;
static atomic_long live_blocks, live_bytes;
static atomic_ulong bad_frees;
static void *_Atomic bad_site;

static uint64_t hash_of(uintptr_t ptr) {
  return ((uint64_t)ptr >> 4) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct shard *lock_shard(uintptr_t ptr) {
  struct shard *shard = &shards[hash_of(ptr) >> 56];
  for (unsigned spins = 0; atomic_flag_test_and_set(&shard->lock); spins++)
    if (spins > 64) sched_yield();
  return shard;
}

static void unlock(struct shard *shard) {
  atomic_flag_clear(&shard->lock);
}

static size_t home_of(const struct shard *shard, uintptr_t ptr) {
  return (size_t)(hash_of(ptr) >> 16) & (shard->room - 1);
}

static void put(struct shard *shard, struct entry entry) {
  size_t i = home_of(shard, entry.ptr);
  while (shard->entries[i].ptr != 0) i = (i + 1) & (shard->room - 1);
  shard->entries[i] = entry;
}

/* At most half full. Without memory for a table the record is turned off. */
static int make_room(struct shard *shard) {
  if (shard->used * 2 < shard->room) return 1;
  size_t before = shard->room;
  size_t room = before == 0 ? FIRST_ROOM : before * 2;
  struct entry *old = shard->entries;
  void *pages = mmap(NULL, room * sizeof *old, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) {
    atomic_store(&off, 1);
    return 0;
  }
  shard->entries = pages;
  shard->room = room;
  for (size_t i = 0; i < before; i++)
    if (old[i].ptr != 0) put(shard, old[i]);
  if (old != NULL) munmap(old, before * sizeof *old);
  return 1;
}

static void *add(void *ptr, void *site) {
  if (ptr == NULL || atomic_load(&off)) return ptr;
  struct entry entry = {(uintptr_t)ptr, site, malloc_usable_size(ptr),
                        atomic_load(&generation)};
  struct shard *shard = lock_shard(entry.ptr);
  if (make_room(shard)) {
    put(shard, entry);
    shard->used++;
  }
  unlock(shard);
  atomic_fetch_add(&live_blocks, 1);
  atomic_fetch_add(&live_bytes, (long)entry.size);
  return ptr;
}

/* Closes the gap that a removed entry leaves. */
static void remove_at(struct shard *shard, size_t hole) {
  size_t mask = shard->room - 1;
  for (size_t i = (hole + 1) & mask; shard->entries[i].ptr != 0;
       i = (i + 1) & mask) {
    size_t home = home_of(shard, shard->entries[i].ptr);
    if (((i - home) & mask) < ((i - hole) & mask)) continue;
    shard->entries[hole] = shard->entries[i];
    hole = i;
  }
  shard->entries[hole].ptr = 0;
  shard->used--;
}

static struct entry *find(struct shard *shard, uintptr_t ptr) {
  if (shard->room == 0) return NULL;
  size_t i = home_of(shard, ptr);
  while (shard->entries[i].ptr != 0 && shard->entries[i].ptr != ptr)
    i = (i + 1) & (shard->room - 1);
  return shard->entries[i].ptr == ptr ? &shard->entries[i] : NULL;
}

/* Whether the pointer may go to the C library. */
static int take_out(void *ptr, void *site) {
  if (atomic_load(&off)) return 1;
  struct shard *shard = lock_shard((uintptr_t)ptr);
  struct entry *entry = find(shard, (uintptr_t)ptr);
  size_t size = entry != NULL ? entry->size : 0;
  if (entry != NULL) remove_at(shard, (size_t)(entry - shard->entries));
  unlock(shard);
  if (entry == NULL) {
    atomic_fetch_add(&bad_frees, 1);
    atomic_store(&bad_site, site);
    return 0;
  }
  atomic_fetch_sub(&live_blocks, 1);
  atomic_fetch_sub(&live_bytes, (long)size);
  return 1;
}

EXPORT void *malloc(size_t size) {
  return add(__libc_malloc(size), CALLER);
}

EXPORT void *calloc(size_t count, size_t size) {
  return add(__libc_calloc(count, size), CALLER);
}

EXPORT void free(void *ptr) {
  if (ptr == NULL) return;
  int error = errno;
  if (take_out(ptr, CALLER)) __libc_free(ptr);
  errno = error;
}

static void *resize(void *ptr, size_t size, void *site) {
  if (ptr == NULL) return add(__libc_malloc(size), site);
  if (!take_out(ptr, site)) return add(__libc_malloc(size), site);
  void *moved = __libc_realloc(ptr, size);
  if (moved == NULL && size != 0) add(ptr, site); /* it stays as it was */
  return add(moved, site);
}

EXPORT void *realloc(void *ptr, size_t size) {
  return resize(ptr, size, CALLER);
}

EXPORT void *reallocarray(void *ptr, size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) {
    errno = ENOMEM;
    return NULL;
  }
  return resize(ptr, total, CALLER);
}

EXPORT void *memalign(size_t alignment, size_t size) {
  return add(__libc_memalign(alignment, size), CALLER);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
  return add(__libc_memalign(alignment, size), CALLER);
}

EXPORT void *valloc(size_t size) {
  return add(__libc_memalign(4096, size), CALLER);
}

EXPORT void *pvalloc(size_t size) {
  return add(__libc_memalign(4096, (size + 4095) & ~(size_t)4095), CALLER);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size) {
  if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
    return EINVAL;
  void *ptr = __libc_memalign(alignment, size);
  if (ptr == NULL) return ENOMEM;
  *out = add(ptr, CALLER);
  return 0;
}

/* A forked child finds the record whole and unlocked. */
static void before_fork(void) {
  for (size_t i = 0; i < SHARDS; i++)
    while (atomic_flag_test_and_set(&shards[i].lock)) sched_yield();
}

static void after_fork(void) {
  for (size_t i = 0; i < SHARDS; i++) unlock(&shards[i]);
}

/* Before any plugin's own handlers: those of the child run in this order, and
 * those that prepare in the opposite one. */
__attribute__((constructor(101))) static void set_up(void) {
  pthread_atfork(before_fork, after_fork, after_fork);
}

struct alloc_count alloc_count(void) {
  return (struct alloc_count){atomic_load(&live_blocks),
                              atomic_load(&live_bytes),
                              atomic_load(&bad_frees)};
}

unsigned alloc_generation(void) {
  return atomic_fetch_add(&generation, 1) + 1;
}

void *alloc_bad_site(void) {
  return atomic_load(&bad_site);
}

/* The sites met so far; a leak has few. */
struct sites {
  struct {
    void *site;
    long blocks, bytes;
  } of[64];
  size_t count;
};

static void add_site(struct sites *sites, const struct entry *entry) {
  size_t i = 0;
  while (i < sites->count && sites->of[i].site != entry->site) i++;
  if (i == sizeof sites->of / sizeof *sites->of) return;
  if (i == sites->count) sites->count++;
  sites->of[i].site = entry->site;
  sites->of[i].blocks++;
  sites->of[i].bytes += (long)entry->size;
}

void *alloc_top_site(unsigned first, unsigned last, long *blocks, long *bytes) {
  struct sites sites = {0};
  for (size_t s = 0; s < SHARDS; s++) {
    while (atomic_flag_test_and_set(&shards[s].lock)) sched_yield();
    for (size_t i = 0; i < shards[s].room; i++) {
      const struct entry *entry = &shards[s].entries[i];
      if (entry->ptr != 0 && entry->generation >= first &&
          entry->generation <= last)
        add_site(&sites, entry);
    }
    unlock(&shards[s]);
  }
  size_t top = 0;
  for (size_t i = 1; i < sites.count; i++)
    if (sites.of[i].bytes > sites.of[top].bytes) top = i;
  *blocks = sites.of[top].blocks;
  *bytes = sites.of[top].bytes;
  return sites.of[top].site;
}

void alloc_describe(void *address, char *out, size_t size) {
  Dl_info info = {0};
  if (address == NULL || dladdr(address, &info) == 0 ||
      info.dli_fname == NULL) {
    snprintf(out, size, "an unknown place");
    return;
  }
  const char *slash = strrchr(info.dli_fname, '/');
  int used = snprintf(out, size, "%s+0x%zx",
                      slash != NULL ? slash + 1 : info.dli_fname,
                      (size_t)((char *)address - (char *)info.dli_fbase));
  if (info.dli_sname != NULL && used > 0 && (size_t)used < size)
    snprintf(out + used, size - (size_t)used, " (%s)", info.dli_sname);
}
