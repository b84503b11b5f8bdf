/* The timer wheel of wheel.h.
 *
 * A timer sits on the level of the highest 6-bit group in which its tick
 * differs from the ticks elapsed, in the slot of that group's value. When time
 * reaches a slot above level 0 its timers are placed anew, closer. */
#include "internal.h"

#define TICK_NS UINT64_C(1000000)
#define BITS 6
#define MASK UINT64_C(63)
/* Farthest tick a wheel can hold: about two years. Later ones wait in the last
 * slot and are placed anew. */
#define MAX_TICKS ((UINT64_C(1) << (BITS * OB__WHEEL_LEVELS)) - 1)
/* timer->slot: 0 idle, else 1 + level * 64 + slot, or: */
#define SLOT_FIRING UINT32_C(0xffff)
#define SLOT_FRESH UINT32_C(0xfffe)

void ob__wheel_init(ob__wheel *wheel, uint64_t now) {
  *wheel = (ob__wheel){0};
  wheel->base_ns = now;
}

static void link_to(ob_timer **list, ob_timer *timer) {
  timer->prev = NULL;
  timer->next = *list;
  if (*list != NULL) (*list)->prev = timer;
  *list = timer;
}

static void unlink_from(ob_timer **list, ob_timer *timer) {
  if (timer->prev != NULL)
    timer->prev->next = timer->next;
  else
    *list = timer->next;
  if (timer->next != NULL) timer->next->prev = timer->prev;
}

static void place(ob__wheel *wheel, ob_timer *timer) {
  uint64_t tick = timer->tick, differ;
  uint32_t level, slot;
  if (tick - wheel->elapsed > MAX_TICKS) tick = wheel->elapsed + MAX_TICKS;
  differ = (wheel->elapsed ^ tick) | MASK;
  level = (63u - (uint32_t)__builtin_clzll(differ)) / BITS;
  if (level >= OB__WHEEL_LEVELS) level = OB__WHEEL_LEVELS - 1;
  slot = (uint32_t)((tick >> (level * BITS)) & MASK);
  link_to(&wheel->slots[level][slot], timer);
  wheel->occupied[level] |= UINT64_C(1) << slot;
  timer->slot = 1 + level * OB__WHEEL_SLOTS + slot;
}

void ob__wheel_add(ob__wheel *wheel, ob_timer *timer) {
  uint64_t due = timer->due_ns;
  if (timer->slot != 0) ob__wheel_remove(wheel, timer);
  /* Rounded up: never early. At least one tick ahead of what has elapsed. */
  timer->tick =
      due <= wheel->base_ns ? 0 : (due - wheel->base_ns - 1) / TICK_NS + 1;
  if (timer->tick <= wheel->elapsed) timer->tick = wheel->elapsed + 1;
  place(wheel, timer);
  wheel->count++;
}

void ob__wheel_add_fresh(ob__wheel *wheel, ob_timer *timer) {
  if (timer->slot != 0) ob__wheel_remove(wheel, timer);
  if (wheel->fresh == NULL) wheel->fresh_first = timer;
  link_to(&wheel->fresh, timer);
  timer->slot = SLOT_FRESH;
  wheel->count++;
}

static void unlink_fresh(ob__wheel *wheel, ob_timer *timer) {
  if (wheel->fresh_first == timer) wheel->fresh_first = timer->prev;
  unlink_from(&wheel->fresh, timer);
}

void ob__wheel_settle(ob__wheel *wheel, uint64_t now) {
  ob_timer *timer;
  while (wheel->fresh != NULL) {
    timer = wheel->fresh_first; /* in the order they were armed */
    unlink_fresh(wheel, timer);
    timer->slot = 0;
    wheel->count--;
    timer->due_ns =
        timer->due_ns < OB_FOREVER - now ? now + timer->due_ns : OB_FOREVER;
    ob__wheel_add(wheel, timer);
  }
}

int ob__wheel_remove(ob__wheel *wheel, ob_timer *timer) {
  uint32_t at = timer->slot, level, slot;
  if (at == 0) return 0;
  timer->slot = 0;
  wheel->count--;
  if (at == SLOT_FRESH) {
    unlink_fresh(wheel, timer);
    return 1;
  }
  if (at == SLOT_FIRING) {
    unlink_from(&wheel->firing, timer);
    return 1;
  }
  level = (at - 1) / OB__WHEEL_SLOTS;
  slot = (at - 1) % OB__WHEEL_SLOTS;
  unlink_from(&wheel->slots[level][slot], timer);
  if (wheel->slots[level][slot] == NULL)
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
  return 1;
}

/* The earliest tick at which some slot must be opened. */
static int next_slot(const ob__wheel *wheel, uint32_t *level, uint32_t *slot,
                     uint64_t *tick) {
  uint32_t l, now, ahead;
  uint64_t bits, width;
  for (l = 0; l < OB__WHEEL_LEVELS; l++) {
    if (wheel->occupied[l] == 0) continue;
    now = (uint32_t)((wheel->elapsed >> (l * BITS)) & MASK);
    bits = now == 0 ? wheel->occupied[l]
                    : (wheel->occupied[l] >> now) |
                          (wheel->occupied[l] << (OB__WHEEL_SLOTS - now));
    /* Above level 0 the slot of now is a whole turn away: looked at last. */
    if (l > 0) bits &= ~UINT64_C(1);
    ahead = bits != 0 ? (uint32_t)__builtin_ctzll(bits) : OB__WHEEL_SLOTS;
    width = UINT64_C(1) << (l * BITS);
    *level = l;
    *slot = (now + ahead) & (uint32_t)MASK;
    *tick = (wheel->elapsed & ~(width - 1)) + ahead * width;
    return 1;
  }
  return 0;
}

uint64_t ob__wheel_next(const ob__wheel *wheel) {
  uint32_t level, slot;
  uint64_t tick;
  if (wheel->count == 0 || !next_slot(wheel, &level, &slot, &tick))
    return OB_FOREVER;
  return wheel->base_ns + tick * TICK_NS;
}

static void fire_list(ob__wheel *wheel, int status) {
  ob_timer *timer;
  while ((timer = wheel->firing) != NULL) {
    unlink_from(&wheel->firing, timer);
    timer->slot = 0;
    wheel->count--;
    timer->fire(timer, status);
  }
}

/* Takes a slot's timers: those due go to the firing list, in the order they
 * were armed, the others are placed anew. */
static void open_slot(ob__wheel *wheel, uint32_t level, uint32_t slot) {
  ob_timer *timer = wheel->slots[level][slot], *next;
  wheel->slots[level][slot] = NULL;
  wheel->occupied[level] &= ~(UINT64_C(1) << slot);
  for (; timer != NULL; timer = next) {
    next = timer->next;
    if (timer->tick > wheel->elapsed) {
      place(wheel, timer);
    } else {
      timer->slot = SLOT_FIRING;
      link_to(&wheel->firing, timer);
    }
  }
}

void ob__wheel_advance(ob__wheel *wheel, uint64_t now) {
  uint64_t target = (now - wheel->base_ns) / TICK_NS, tick;
  uint32_t level, slot;
  while (wheel->count > 0 && next_slot(wheel, &level, &slot, &tick) &&
         tick <= target) {
    wheel->elapsed = tick;
    open_slot(wheel, level, slot);
    fire_list(wheel, OB_OK);
  }
  if (target > wheel->elapsed) wheel->elapsed = target;
}

void ob__wheel_flush(ob__wheel *wheel, int status) {
  uint32_t level, slot;
  uint64_t tick;
  while (wheel->count > 0) {
    if (wheel->fresh != NULL) ob__wheel_settle(wheel, ob__now());
    if (next_slot(wheel, &level, &slot, &tick)) {
      ob_timer *timer = wheel->slots[level][slot];
      while (timer != NULL) {
        ob__wheel_remove(wheel, timer);
        timer->fire(timer, status);
        timer = wheel->slots[level][slot];
      }
    } else {
      fire_list(wheel, status);
    }
  }
}
