/* A host with several plugins in one process: two instances of each of ours, of
 * which one is a copy of the other's file. Each has a configuration of its own,
 * and the two databases hold other products, so that an answer from the wrong
 * one shows. The first pair is as in the C host, whose loop, exits and signals
 * are shown here while the second pair is busy. */
#ifndef SEVERAL_GUESTS_H
#define SEVERAL_GUESTS_H

#include "../plain/host.h"
#include "../support/checks.h"

struct guests {
  struct callers first;         /* $PRICING, $CLOCK */
  struct caller pricing, clock; /* $PRICING_COPY, $CLOCK_COPY */
};

/* The deadline of the second clock's calls that name none. */
#define SECOND_TIMEOUT_MS 60u
#define SECOND_CLOCK_CONFIG "{\"timeout_ms\":60}"
/* The second pricing's: the products of $SECOND_DB, by so many connections,
 * which are opened when they are needed. */
extern unsigned second_connections;
const char *second_config(void);

/* Loads those of "sScC" (Swift and C, small the first) that `which` names, in
 * its order; the others' abi is NULL. */
struct guests guests_load(const char *which, int flags);

/* Some calls of each, for call number i of a thread, each compared with what
 * that instance must answer. */
void guests_mixed(const struct guests *all, unsigned i);

/* How many calls of so many rounds from `begin` on a clock's engine gets. */
unsigned guests_waits(unsigned begin, unsigned rounds);

/* The second pair: a price, a wait. */
void second_price(const struct caller *pricing, unsigned i);
void second_wait(const struct caller *clock, unsigned first, unsigned second);

/* The modes. several.c */
void show_answers_of(const char *which, int flags);
void show_aliases(void);
void show_deadlines_apart(void);
void show_untouched_by_all(void);
void run_all_quietly(void);
void show_all_descriptors(void);
void show_all_threads(void);
void show_symbols_of_all(int flags);
/* life.c */
void show_fork_of_all(void);
void show_unload_of_one(void);
/* Runs a mode of the C host while 16 threads call the second pair. */
void beside_second(void (*mode)(void));
/* Then leaves by it: 16 threads more stay in calls of the second pair. */
void leave_beside_second(void (*leave)(void));

#endif
