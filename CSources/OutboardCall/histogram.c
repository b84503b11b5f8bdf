/* Latency histogram: log-linear buckets, so that a run of any length takes the
 * same memory and no call pays for more than an increment. */
#include "call.h"

#define SUB_BITS 5
#define SUB (1u << SUB_BITS)

static unsigned bucket_of(uint64_t ns) {
  if (ns < SUB) return (unsigned)ns;
  unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS;
  return (shift + 1) * SUB + (unsigned)(ns >> shift) - SUB;
}

/* The largest latency that falls into a bucket. */
static uint64_t bucket_top(unsigned bucket) {
  if (bucket < SUB) return bucket;
  unsigned shift = bucket / SUB - 1;
  uint64_t base = (uint64_t)(bucket % SUB + SUB) << shift;
  return base + (((uint64_t)1 << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t ns) {
  histogram->count[bucket_of(ns)]++;
  histogram->total++;
  if (ns > histogram->max) histogram->max = ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
    into->count[i] += from->count[i];
  into->total += from->total;
  if (from->max > into->max) into->max = from->max;
}

uint64_t histogram_at(const struct histogram *histogram, unsigned permille) {
  uint64_t seen = 0;
  /* ceil(total * permille / 1000), without overflow for real runs */
  uint64_t rank = (histogram->total * permille + 999) / 1000;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->count[i];
    if (seen >= rank && seen > 0) {
      uint64_t top = bucket_top(i);
      return top < histogram->max ? top : histogram->max;
    }
  }
  return histogram->max;
}
