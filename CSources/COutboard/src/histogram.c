/* Log-linear histograms of nanoseconds: an index by a count of leading zeros
 * and a shift, one relaxed addition, no allocation. */
#include "internal.h"

uint32_t ob__histogram_index(uint64_t value) {
  uint32_t bit, shift;
  if (value < OB__PARTS) return (uint32_t)value;
  bit = 63u - (uint32_t)__builtin_clzll(value);
  if (bit >= OB__TOP_BIT) return OB__BUCKETS - 1;
  shift = bit - OB__PART_BITS;
  return (shift + 1) * OB__PARTS + ((uint32_t)(value >> shift) - OB__PARTS);
}

uint64_t ob__histogram_top(uint32_t index) {
  uint32_t shift;
  if (index < OB__PARTS) return index;
  shift = index / OB__PARTS - 1;
  return ((uint64_t)(OB__PARTS + index % OB__PARTS + 1) << shift) - 1;
}

void ob__histogram_add(ob__histogram *histogram, uint64_t value,
                       uint64_t weight) {
  uint64_t max = ob__load_relaxed(&histogram->max);
  while (value > max && !ob__cas_relaxed(&histogram->max, &max, value)) {
  }
  ob__add_relaxed(&histogram->sum, value * weight);
  ob__add_relaxed(&histogram->buckets[ob__histogram_index(value)], weight);
}

/* The rank of a quantile, in parts of a thousand, rounded up: 1 to count. */
static uint64_t rank_of(uint64_t count, uint64_t thousandths) {
  return count / 1000 * thousandths + (count % 1000 * thousandths + 999) / 1000;
}

void ob__histogram_read(const ob__histogram *histogram, ob_times *out) {
  static const uint64_t wanted[] = {500, 990, 999};
  uint64_t *const into[] = {&out->p50_ns, &out->p99_ns, &out->p999_ns};
  uint64_t count = 0, below = 0, max;
  uint32_t i, next = 0;
  *out = (ob_times){0, 0, 0, 0, 0, 0};
  for (i = 0; i < OB__BUCKETS; i++)
    count += ob__load_relaxed(&histogram->buckets[i]);
  if (count == 0) return;
  /* Values come in meanwhile: the walk finds at least what was counted. */
  max = ob__load_relaxed(&histogram->max);
  for (i = 0; i < OB__BUCKETS && next < 3; i++) {
    uint64_t top = ob__histogram_top(i);
    below += ob__load_relaxed(&histogram->buckets[i]);
    if (i == OB__BUCKETS - 1 || top > max) top = max;
    while (next < 3 && below >= rank_of(count, wanted[next]))
      *into[next++] = top;
  }
  while (next < 3) *into[next++] = max; /* it was reset meanwhile */
  out->count = count;
  out->mean_ns = ob__load_relaxed(&histogram->sum) / count;
  out->max_ns = max;
}

void ob__histogram_reset(ob__histogram *histogram) {
  uint32_t i;
  for (i = 0; i < OB__BUCKETS; i++)
    ob__store_relaxed(&histogram->buckets[i], UINT64_C(0));
  ob__store_relaxed(&histogram->sum, UINT64_C(0));
  ob__store_relaxed(&histogram->max, UINT64_C(0));
}
