/* Latencies in buckets of 1/16 of a power of two: no sample is stored, the
 * error of a quantile is below 6.25%. */
#include "driver.h"

static unsigned bucket_of(uint64_t ns) {
  unsigned log;
  if (ns < SUB) return (unsigned)ns;
  log = 63u - (unsigned)__builtin_clzll(ns);
  return (log - 3) * SUB + (unsigned)((ns >> (log - 4)) & (SUB - 1));
}

uint64_t hist_lower(unsigned bucket) {
  unsigned log = bucket / SUB + 3;
  if (bucket < SUB) return bucket;
  return (UINT64_C(16) + bucket % SUB) << (log - 4);
}

void hist_add(histogram *h, uint64_t ns) {
  h->count++;
  h->buckets[bucket_of(ns)]++;
  if (ns > h->max) h->max = ns;
}

void hist_merge(histogram *into, const histogram *from) {
  unsigned b;
  if (from->count == 0) return;
  into->count += from->count;
  if (from->max > into->max) into->max = from->max;
  for (b = 0; b < BUCKETS; b++) into->buckets[b] += from->buckets[b];
}

uint64_t hist_quantile(const histogram *h, double q) {
  uint64_t want = (uint64_t)((double)h->count * q), seen = 0;
  unsigned b;
  for (b = 0; b < BUCKETS; b++) {
    seen += h->buckets[b];
    if (seen > want) return hist_lower(b);
  }
  return h->max;
}
