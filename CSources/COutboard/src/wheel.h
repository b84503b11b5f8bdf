/* Timers: a hierarchical wheel (Varghese and Lauck, 1987) of 6 levels with 64
 * slots, 1 ms a tick. Arming and disarming are O(1) at any number of timers;
 * a heap (libuv's own) pays log n. One uv_timer is set to the next expiry. */
#ifndef OB_WHEEL_H
#define OB_WHEEL_H

#include "outboard_spi.h"

#define OB__WHEEL_LEVELS 6
#define OB__WHEEL_SLOTS 64

typedef struct ob__wheel {
  uint64_t base_ns; /* tick 0 */
  uint64_t elapsed; /* ticks processed */
  uint64_t count;   /* armed */
  uint64_t occupied[OB__WHEEL_LEVELS];
  ob_timer *slots[OB__WHEEL_LEVELS][OB__WHEEL_SLOTS];
  ob_timer *firing; /* taken from their slots, about to fire */
  /* Armed since the clock was read last, newest first, and the oldest; due_ns
   * is still relative. */
  ob_timer *fresh, *fresh_first;
} ob__wheel;

void ob__wheel_init(ob__wheel *wheel, uint64_t now);
/* Arms for the absolute time timer->due_ns. */
void ob__wheel_add(ob__wheel *wheel, ob_timer *timer);
/* Arms for timer->due_ns from the next look at the clock: most timers guard
 * something that ends before that, and then cost neither clock nor slot. */
void ob__wheel_add_fresh(ob__wheel *wheel, ob_timer *timer);
/* That look, before ob__wheel_next. */
void ob__wheel_settle(ob__wheel *wheel, uint64_t now);
int ob__wheel_remove(ob__wheel *wheel, ob_timer *timer);
/* Fires all that is due at now. fire may arm and disarm timers. */
void ob__wheel_advance(ob__wheel *wheel, uint64_t now);
/* Fires every timer with status, whatever its time. */
void ob__wheel_flush(ob__wheel *wheel, int status);
/* When to advance next, absolute ns; OB_FOREVER with no timer. May be earlier
 * than the first expiry, when a level must be unfolded. */
uint64_t ob__wheel_next(const ob__wheel *wheel);

#endif
