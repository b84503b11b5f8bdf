/* The guard of yielding (spin.c), by made-up times: what counts as a
 * disturbance, when yielding is banned, and for how long. */
#include "internal.h"

#include "harness.h"

#define MS UINT64_C(1000000)

/* Slow yields of 3 ms each, one after the other. */
static uint64_t disturb(ob__yield *guard, uint64_t now, int times) {
  for (int i = 0; i < times; i++) {
    ob__yield_slow(guard, now, now + 3 * MS);
    now += 3 * MS;
  }
  return now;
}

TEST(one_disturbance_that_many_threads_see_is_one) {
  ob__yield guard = {0};
  uint64_t now = 1000 * MS;
  for (int thread = 0; thread < 64; thread++)
    ob__yield_slow(&guard, now, now + 3 * MS + (uint64_t)thread);
  CHECK_EQ(guard.slow, 1);
  CHECK_EQ(guard.banned_until, 0);
}

TEST(four_within_50_ms_ban_yielding) {
  ob__yield guard = {0};
  uint64_t now = disturb(&guard, 1000 * MS, 3);
  CHECK_EQ(guard.banned_until, 0);
  now = disturb(&guard, now, 1);
  CHECK_EQ(guard.banned_until, now + 20 * MS);
}

TEST(four_in_a_second_do_not) {
  ob__yield guard = {0};
  for (uint64_t i = 0; i < 8; i++) disturb(&guard, (1000 + 250 * i) * MS, 1);
  CHECK_EQ(guard.banned_until, 0);
}

TEST(each_ban_is_twice_as_long_up_to_320_ms) {
  ob__yield guard = {0};
  uint64_t now = 1000 * MS, expected[] = {20, 40, 80, 160, 320, 320};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    now = disturb(&guard, now, 4);
    CHECK_EQ(guard.banned_until, now + expected[i] * MS);
    now = guard.banned_until;
  }
}

TEST(after_a_quiet_second_the_first_ban_is_short_again) {
  ob__yield guard = {0};
  uint64_t now = 1000 * MS;
  for (int i = 0; i < 4; i++) {
    now = disturb(&guard, now, 4);
    now = guard.banned_until;
  }
  now = disturb(&guard, now + 1100 * MS, 4);
  CHECK_EQ(guard.banned_until, now + 20 * MS);
}

TEST(more_callers_may_take_longer_turns) {
  CHECK(ob__yield_limit(64) > 4 * ob__yield_limit(1));
  CHECK(ob__yield_limit(1) < MS);
  /* Less than the share of a stranger that is always busy. */
  CHECK(ob__yield_limit(UINT32_MAX) < 3 * MS);
}
