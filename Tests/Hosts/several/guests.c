/* See guests.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "guests.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE "{\"count\":0,\"products\":[],\"truncated\":false}"

unsigned second_connections = 3;

static char second[4200];
static pthread_once_t second_once = PTHREAD_ONCE_INIT;

static void write_second(void) {
  const char *path = getenv("SECOND_DB");
  if (path == NULL) {
    fputs("set SECOND_DB\n", stderr);
    exit(2);
  }
  snprintf(second, sizeof second,
           "{\"database_url\":\"sqlite:%.4000s\",\"max_connections\":%u,"
           "\"timeout_seconds\":50}",
           path, second_connections);
}

const char *second_config(void) {
  pthread_once(&second_once, write_second);
  return second;
}

static struct caller *one_of(struct guests *all, char which) {
  switch (which) {
    case 's':
      return &all->first.pricing;
    case 'S':
      return &all->pricing;
    case 'c':
      return &all->first.clock;
    case 'C':
      return &all->clock;
    default:
      fprintf(stderr, "no plugin '%c' of sScC\n", which);
      exit(2);
  }
}

static const char *path_of(char which) {
  if (which == 's') return getenv("PRICING");
  if (which == 'S') return getenv("PRICING_COPY");
  return getenv(which == 'c' ? "CLOCK" : "CLOCK_COPY");
}

static const char *config_of(char which) {
  if (which == 's') return PRICING_CONFIG;
  if (which == 'S') return second_config();
  return which == 'c' ? CLOCK_CONFIG : SECOND_CLOCK_CONFIG;
}

static void must_be_apart(const struct caller *one,
                          const struct caller *other) {
  if (one->abi == NULL || one->abi != other->abi) return;
  fprintf(stderr, "%s and %s are one instance\n", one->path, other->path);
  exit(2);
}

struct guests guests_load(const char *which, int flags) {
  struct guests all;
  const char *at;
  memset(&all, 0, sizeof all);
  for (at = which; *at != '\0'; at++)
    *one_of(&all, *at) = caller_open(path_of(*at), flags);
  must_be_apart(&all.first.pricing, &all.pricing);
  must_be_apart(&all.first.clock, &all.clock);
  for (at = which; *at != '\0'; at++)
    caller_start(one_of(&all, *at), config_of(*at));
  return all;
}

/* Ids 1 to 10 are there. */
static void second_product(unsigned id, char *out, size_t size) {
  snprintf(out, size,
           "{\"description\":\"Of the second\",\"id\":%u,\"name\":"
           "\"Second <%u>\",\"price\":%u.25}",
           id, id, id);
}

void second_price(const struct caller *pricing, unsigned i) {
  unsigned id = i % 12 + 1;
  char args[64], answer[256];
  snprintf(args, sizeof args, "{\"product_id\":%u}", id);
  if (id <= 10)
    second_product(id, answer, sizeof answer);
  else
    snprintf(answer, sizeof answer, "{\"error\":\"Product %u not found\"}", id);
  caller_expect(pricing, "get_product_price", args, id > 10, answer);
}

static void second_search(const struct caller *pricing, unsigned i) {
  unsigned id = i % 10 + 1;
  char args[64], product[256], answer[400];
  snprintf(args, sizeof args, "{\"query\":\"<%u>\"}", id);
  second_product(id, product, sizeof product);
  snprintf(answer, sizeof answer,
           "{\"count\":1,\"products\":[%s],\"truncated\":false}", product);
  caller_expect(pricing, "search_products", args, 0, answer);
  caller_expect(pricing, "search_products", "{\"query\":\"Espresso\"}", 0,
                NONE);
}

void second_wait(const struct caller *clock, unsigned first, unsigned second) {
  caller_wait_within(clock, first, second, 50000);
}

/* The first clock waits longer than the second's deadline, which ends a wait of
 * the second's. */
static void own_deadlines(const struct guests *all) {
  if (all->first.clock.abi != NULL)
    caller_wait(&all->first.clock, SECOND_TIMEOUT_MS + 20, 1);
  if (all->clock.abi != NULL)
    caller_expect(&all->clock, "wait_both",
                  "{\"first_ms\":5,\"second_ms\":9000}", 1,
                  "{\"error\":\"no answer: deadline expired\"}");
}

void guests_mixed(const struct guests *all, unsigned i) {
  if (all->first.pricing.abi != NULL) {
    caller_price(&all->first.pricing, i);
    if (i % 4 == 0) caller_search(&all->first.pricing, i / 4);
    if (i % 8 == 0)
      caller_expect(&all->first.pricing, "search_products",
                    "{\"query\":\"Second\"}", 0, NONE);
  }
  if (all->pricing.abi != NULL) {
    second_price(&all->pricing, i);
    if (i % 4 == 1) second_search(&all->pricing, i / 4);
  }
  if (all->first.clock.abi != NULL)
    caller_wait(&all->first.clock, i % 3, i % 5);
  if (all->clock.abi != NULL) second_wait(&all->clock, i % 5, i % 4);
  if (i % 32 == 0) own_deadlines(all);
}

unsigned guests_waits(unsigned begin, unsigned rounds) {
  unsigned i, waits = rounds;
  for (i = begin; i < begin + rounds; i++) waits += i % 32 == 0;
  return waits;
}
