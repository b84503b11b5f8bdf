/* What belongs to the process: state, output, descriptors, threads, symbols. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "../support/manners.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/checks.h"
#include "host.h"

/* --- untouched -------------------------------------------------------------
 */

static void call_untouched(void *arg, unsigned thread) {
  char *before = manners_state();
  unsigned i;
  for (i = 0; i < 60; i++) callers_mixed(arg, thread + i);
  caller_expire(&((struct callers *)arg)->clock, 1);
  check_same("a calling thread", before, manners_state());
}

void show_untouched(void) {
  char *before;
  struct callers both;
  unsigned lines = 0;
  const char *at;
  /* The host's own: a handler, a mask, an environment. */
  signal(SIGUSR2, SIG_IGN);
  setenv("HOSTS_OWN", "yes", 1);
  before = manners_state();
  for (at = before; (at = strchr(at, '\n')) != NULL; at++) lines++;
  both = callers_load();
  crowd(CROWD, call_untouched, &both);
  check_same("the process", before, manners_state());
  printf(
      "%u lines of process state equal before loading and after %u threads "
      "made 60 rounds of calls, and those of each thread\n",
      lines, CROWD);
}

/* --- quiet -----------------------------------------------------------------
 */

static void call_some(void *arg, unsigned thread) {
  unsigned i;
  for (i = 0; i < 40; i++) callers_mixed(arg, thread + i);
}

/* Everything that may tempt a plugin to say something; run by ends.py, which
 * allows no line but ours. */
void run_quietly(void) {
  struct callers both = callers_load();
  struct crowd *busy = crowd_begin(CROWD, call_some, &both);
  int32_t code;
  pid_t child;
  caller_errors(&both);
  caller_expire(&both.clock, 10);
  child = fork();
  if (child == 0) {
    free(caller_call(&both.pricing, "health", "{}", &code));
    free(caller_call(&both.clock, "health", "{}", &code));
    exit(0);
  }
  if (waitpid(child, NULL, 0) != child) abort();
  crowd_end(busy);
  dlclose(both.pricing.image);
  dlclose(both.clock.image);
  if (caller_mistakes() > 0) return;
  puts("ready");
  fflush(stdout);
}

/* --- descriptors -----------------------------------------------------------
 */

void show_descriptors(void) {
  char *before = manners_descriptors(), *first;
  struct callers both = callers_load();
  unsigned count = 0;
  char *at;
  crowd(CROWD, call_some, &both);
  first = manners_descriptors();
  check_cloexec(before, first);
  for (at = first; (at = strchr(at, '\n')) != NULL; at++) count++;
  crowd(CROWD, call_some, &both);
  crowd(CROWD, call_some, &both);
  check_same("descriptors after the crowd came three times, not once",
             manners_difference("", first),
             manners_difference("", manners_descriptors()));
  manners_free(before);
  manners_free(first);
  printf(
      "%u descriptors, all of the plugins' close-on-exec, the same after "
      "1,280 and after 3,840 calls of %u threads\n",
      count, CROWD);
}

/* --- threads ---------------------------------------------------------------
 */

void show_threads(void) {
  char *before = manners_threads();
  struct callers both = callers_load();
  crowd(CROWD, call_some, &both);
  printf(
      "%u threads of the plugins block all that is meant for the process and "
      "no fault; none ran in a second of idleness\n",
      check_threads(before, 2));
  manners_free(before);
}

/* --- symbols ---------------------------------------------------------------
 */

static void show_symbols(int flags) {
  struct callers both;
  both.pricing = caller_open(getenv("PRICING"), flags);
  caller_start(&both.pricing, PRICING_CONFIG);
  both.clock = caller_open(getenv("CLOCK"), flags);
  caller_start(&both.clock, CLOCK_CONFIG);
  crowd(CROWD, call_some, &both);
  printf("%u names looked for, ", check_hidden(&both.pricing));
  check_hidden(&both.clock);
  check_visible(flags);
  printf("18 decoys of the host's never called; %s\n",
         flags == RTLD_GLOBAL ? MCP_PLUGIN_SYMBOL
             " is all that is visible with RTLD_GLOBAL"
                              : "nothing is visible with RTLD_LOCAL");
}

void show_symbols_local(void) {
  show_symbols(RTLD_LOCAL);
}

void show_symbols_global(void) {
  show_symbols(RTLD_GLOBAL);
}
