/* Answers, aliases, deadlines, and what belongs to the process, of several
 * plugins at once. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/manners.h"
#include "guests.h"

/* --- answers ---------------------------------------------------------------
 */

#define EACH 80u

static void call_each(void *arg, unsigned thread) {
  unsigned i;
  for (i = 0; i < EACH && caller_mistakes() < 10; i++)
    guests_mixed(arg, thread * 7 + i);
}

/* What the engine was handed since it held `before`, beside this look. */
static void counted(const struct caller *clock, int64_t before) {
  unsigned thread, waits = 0;
  int64_t after;
  if (clock->abi == NULL) return;
  for (thread = 0; thread < CROWD; thread++)
    waits += guests_waits(thread * 7, EACH);
  after = caller_submitted(clock);
  if (after - before != (int64_t)waits + 1)
    caller_wrong("%s was called %u times and counts %" PRId64, clock->path,
                 waits, after - before - 1);
}

static int64_t count_of(const struct caller *clock) {
  return clock->abi == NULL ? 0 : caller_submitted(clock);
}

void show_answers_of(const char *which, int flags) {
  struct guests all = guests_load(which, flags);
  int64_t begin = caller_now_ms(), first = count_of(&all.first.clock),
          second = count_of(&all.clock);
  crowd(CROWD, call_each, &all);
  counted(&all.first.clock, first);
  counted(&all.clock, second);
  printf(
      "%s, RTLD_%s: %u threads, %u rounds of calls of each, the answers each "
      "instance's own, in %" PRId64 " ms\n",
      which, flags == RTLD_GLOBAL ? "GLOBAL" : "LOCAL", CROWD, CROWD * EACH,
      caller_now_ms() - begin);
}

/* --- Aliases ---------------------------------------------------------------
 */

#define ALIASES 3u

/* The same instance, whichever of the paths it is called through. */
struct aliases {
  struct callers by[ALIASES];
};

static void call_by_all(void *arg, unsigned thread) {
  const struct aliases *aliases = arg;
  unsigned i;
  for (i = 0; i < 48; i++)
    callers_mixed(&aliases->by[(thread + i) % ALIASES], thread + i);
}

static void must_be_one(const struct caller *one, const struct caller *other) {
  if (one->abi != other->abi || one->image != other->image)
    caller_wrong("%s is another instance than %s", other->path, one->path);
}

/* The file, a symbolic link to it, and a hard link. */
void show_aliases(void) {
  struct aliases aliases;
  struct guests all;
  int64_t before;
  unsigned i;
  aliases.by[0] = callers_load();
  for (i = 1; i < ALIASES; i++) {
    const char *names[][2] = {{"PRICING_LINK", "CLOCK_LINK"},
                              {"PRICING_HARD", "CLOCK_HARD"}};
    aliases.by[i].pricing =
        caller_load(getenv(names[i - 1][0]), PRICING_CONFIG);
    aliases.by[i].clock = caller_load(getenv(names[i - 1][1]), CLOCK_CONFIG);
    must_be_one(&aliases.by[0].pricing, &aliases.by[i].pricing);
    must_be_one(&aliases.by[0].clock, &aliases.by[i].clock);
    check_configure(&aliases.by[i].pricing, second_config(), 2);
    check_configure(&aliases.by[i].clock, SECOND_CLOCK_CONFIG, 2);
  }
  crowd(CROWD, call_by_all, &aliases);
  before = caller_submitted(&aliases.by[0].clock);
  if (caller_submitted(&aliases.by[1].clock) != before + 1 ||
      caller_submitted(&aliases.by[2].clock) != before + 2)
    caller_wrong("the paths of a clock count apart");
  for (i = 1; i < ALIASES; i++) {
    dlclose(aliases.by[i].pricing.image);
    dlclose(aliases.by[i].clock.image);
  }
  all = guests_load("SCsc", RTLD_LOCAL); /* beside a copy: not that instance */
  crowd(CROWD, call_each, &all);
  printf(
      "by its path, a symbolic and a hard link each plugin is one instance, "
      "with one configuration and one count; a copy is another: %u threads "
      "called all\n",
      CROWD);
}

/* --- deadlines -------------------------------------------------------------
 */

static unsigned waiting; /* __atomic: threads that still wait in one */
static unsigned others;  /* __atomic: rounds of the others meanwhile */

struct apart {
  struct guests all;
  struct caller locked; /* a third pricing, its database locked */
};

/* A quarter in each of: the locked one, the second clock, and all that goes on.
 */
static void wait_or_call(void *arg, unsigned thread) {
  const struct apart *apart = arg;
  unsigned i;
  if (thread < CROWD / 4) {
    caller_expect(&apart->locked, "get_product_price", "{\"product_id\":1}", 1,
                  "{\"error\":\"Timed out after 2 s\"}");
  } else if (thread < CROWD / 2) {
    for (i = 0; i < 8; i++) {
      caller_expect(&apart->all.clock, "wait_both",
                    "{\"first_ms\":1,\"second_ms\":9000}", 1,
                    "{\"error\":\"no answer: deadline expired\"}");
      caller_expire(&apart->all.first.clock, 30 + thread);
    }
  } else {
    for (i = 0; __atomic_load_n(&waiting, __ATOMIC_SEQ_CST) != 0; i++) {
      guests_mixed(&apart->all, thread + i);
      __atomic_fetch_add(&others, 1, __ATOMIC_SEQ_CST);
    }
    return;
  }
  __atomic_fetch_sub(&waiting, 1, __ATOMIC_SEQ_CST);
}

void show_deadlines_apart(void) {
  struct apart apart = {guests_load("sScC", RTLD_LOCAL), {NULL, NULL, NULL}};
  const char *home = getenv("HOME");
  char path[4096], config[5000];
  int64_t begin;
  int lock;
  snprintf(path, sizeof path, "%s/third.db", home);
  unlink(path);
  snprintf(config, sizeof config,
           "{\"database_url\":\"sqlite:%s\",\"timeout_seconds\":2}", path);
  apart.locked = caller_load(getenv("PRICING_THIRD"), config);
  caller_price(&apart.locked, 0);
  lock = caller_lock(path);
  waiting = CROWD / 2;
  begin = caller_now_ms();
  crowd(CROWD, wait_or_call, &apart);
  if (caller_now_ms() - begin > 20000)
    caller_wrong("deadlines took %" PRId64 " ms", caller_now_ms() - begin);
  if (others < CROWD / 2) caller_wrong("only %u rounds went on", others);
  caller_unlock(lock);
  caller_price(&apart.locked, 0);
  printf(
      "each at its own deadline: %u calls of a third pricing, its database "
      "locked, at 2 s, %u of the second clock at %u ms by its configuration, "
      "%u of the first; %u rounds of calls of the other four went on\n",
      CROWD / 4, CROWD / 4 * 8, SECOND_TIMEOUT_MS, CROWD / 4 * 8, others);
}

/* --- The process -----------------------------------------------------------
 */

static void call_some(void *arg, unsigned thread) {
  unsigned i;
  for (i = 0; i < 16; i++) guests_mixed(arg, thread + i);
}

static void call_untouched(void *arg, unsigned thread) {
  char *before = manners_state();
  call_some(arg, thread);
  check_same("a calling thread", before, manners_state());
}

void show_untouched_by_all(void) {
  char *before;
  struct guests all;
  setenv("HOSTS_OWN", "yes", 1);
  before = manners_state();
  all = guests_load("CcSs", RTLD_GLOBAL);
  crowd(CROWD, call_untouched, &all);
  check_same("the process", before, manners_state());
  printf(
      "process state equal before four plugins were loaded and after %u "
      "threads made 16 rounds of calls of each, and that of each thread\n",
      CROWD);
}

/* As the C host's; ends.py allows no line but ours. */
void run_all_quietly(void) {
  struct guests all = guests_load("sScC", RTLD_LOCAL);
  struct crowd *busy = crowd_begin(CROWD, call_some, &all);
  int32_t code;
  pid_t child;
  caller_errors(&all.first);
  child = fork();
  if (child == 0) {
    free(caller_call(&all.pricing, "health", "{}", &code));
    free(caller_call(&all.clock, "health", "{}", &code));
    exit(0);
  }
  if (waitpid(child, NULL, 0) != child) abort();
  crowd_end(busy);
  dlclose(all.pricing.image);
  dlclose(all.first.pricing.image);
  dlclose(all.clock.image);
  dlclose(all.first.clock.image);
  if (caller_mistakes() > 0) return;
  puts("ready");
  fflush(stdout);
}

void show_all_descriptors(void) {
  char *before = manners_descriptors(), *first, *at;
  struct guests all;
  unsigned count = 0;
  /* The first crowd need not have opened all of several connections. */
  second_connections = 1;
  all = guests_load("sScC", RTLD_LOCAL);
  crowd(CROWD, call_some, &all);
  first = manners_descriptors();
  check_cloexec(before, first);
  for (at = first; (at = strchr(at, '\n')) != NULL; at++) count++;
  crowd(CROWD, call_some, &all);
  crowd(CROWD, call_some, &all);
  check_same("descriptors after the crowd came three times, not once", first,
             manners_descriptors());
  manners_free(before);
  printf(
      "%u descriptors, all of the four plugins' close-on-exec, the same after "
      "1,024 and after 3,072 calls of %u threads\n",
      count, CROWD);
}

void show_all_threads(void) {
  char *before = manners_threads();
  struct guests all = guests_load("sScC", RTLD_LOCAL);
  crowd(CROWD, call_some, &all);
  printf(
      "%u threads of four plugins block all that is meant for the process and "
      "no fault; none ran in a second of idleness\n",
      check_threads(before, 4));
  manners_free(before);
}

void show_symbols_of_all(int flags) {
  struct guests all = guests_load("SsCc", flags);
  unsigned names = check_hidden(&all.first.pricing);
  crowd(CROWD, call_some, &all);
  check_hidden(&all.pricing);
  check_hidden(&all.first.clock);
  check_hidden(&all.clock);
  check_visible(flags);
  printf("%u names looked for in each of four plugins, with RTLD_%s\n", names,
         flags == RTLD_GLOBAL ? "GLOBAL" : "LOCAL");
}
