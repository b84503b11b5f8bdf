/* Atomics under names that say their order.
 *
 * The builtins work on plain fields, so that one struct serves C11, C++ and
 * the sanitizers. No standalone fences: ThreadSanitizer does not model them.
 * Every use names its partner where it stands. */
#ifndef OB_ATOMIC_H
#define OB_ATOMIC_H

#define ob__load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define ob__load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define ob__load_seq(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define ob__store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ob__store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define ob__store_seq(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define ob__xchg_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define ob__or_acq_rel(p, v) __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL)
#define ob__and_acq_rel(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)
#define ob__add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define ob__sub_relaxed(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELAXED)
#define ob__sub_acq_rel(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)

/* On failure *expected receives the value seen. */
#define ob__cas_acq_rel(p, expected, desired)                                  \
  __atomic_compare_exchange_n((p), (expected), (desired), 0, __ATOMIC_ACQ_REL, \
                              __ATOMIC_ACQUIRE)
#define ob__cas_weak_acq_rel(p, expected, desired)                             \
  __atomic_compare_exchange_n((p), (expected), (desired), 1, __ATOMIC_ACQ_REL, \
                              __ATOMIC_ACQUIRE)
#define ob__cas_relaxed(p, expected, desired)                                  \
  __atomic_compare_exchange_n((p), (expected), (desired), 0, __ATOMIC_RELAXED, \
                              __ATOMIC_RELAXED)

/* A counter with one writer: no locked instruction, readable anywhere. */
#define ob__count(p, n) ob__store_relaxed((p), ob__load_relaxed(p) + (n))

#define OB_LIKELY(x) __builtin_expect(!!(x), 1)
#define OB_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* One line for data that one side writes. 128: adjacent lines are fetched in
 * pairs on the processors at hand. */
#define OB_LINE 128

#endif
