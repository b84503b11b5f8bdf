/* What belongs to the process: state, output, descriptors, threads, symbols. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "../support/manners.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/decoys.h"
#include "host.h"

/* Counts as wrong when the two texts differ; frees both. */
static void same(const char *what, char *before, char *after) {
  char *difference = manners_difference(before, after);
  if (difference[0] != '\0') caller_wrong("%s: %s", what, difference);
  manners_free(difference);
  manners_free(before);
  manners_free(after);
}

/* --- untouched -------------------------------------------------------------
 */

static void call_untouched(void *arg, unsigned thread) {
  char *before = manners_state();
  unsigned i;
  for (i = 0; i < 60; i++) callers_mixed(arg, thread + i);
  caller_expire(&((struct callers *)arg)->clock, 1);
  same("a calling thread", before, manners_state());
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
  same("the process", before, manners_state());
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

static void all_cloexec(const char *before, char *now) {
  char *new = manners_difference(before, now), *line;
  for (line = strtok(new, "\n"); line != NULL; line = strtok(NULL, "\n"))
    if (line[0] == '+' && strstr(line, " inherited ") != NULL)
      caller_wrong("a descriptor is not close-on-exec: %s", line);
  manners_free(new);
}

void show_descriptors(void) {
  char *before = manners_descriptors(), *first;
  struct callers both = callers_load();
  unsigned count = 0;
  char *at;
  crowd(CROWD, call_some, &both);
  first = manners_descriptors();
  all_cloexec(before, first);
  for (at = first; (at = strchr(at, '\n')) != NULL; at++) count++;
  crowd(CROWD, call_some, &both);
  crowd(CROWD, call_some, &both);
  same("descriptors after the crowd came three times, not once",
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

/* How often a thread of ours went off or was put off the processor; -1 when
 * it has ended. */
static long switches(const char *id) {
  char path[64], line[256];
  long sum = 0, one;
  FILE *status;
  snprintf(path, sizeof path, "/proc/self/task/%.20s/status", id);
  status = fopen(path, "re");
  if (status == NULL) return -1;
  while (fgets(line, sizeof line, status) != NULL)
    if (sscanf(line, "voluntary_ctxt_switches: %ld", &one) == 1 ||
        sscanf(line, "nonvoluntary_ctxt_switches: %ld", &one) == 1)
      sum += one;
  fclose(status);
  return sum;
}

struct idler {
  char id[24], name[32];
  long seen;
};

/* The plugins' threads: those that were not there before. */
static unsigned find_threads(const char *before, struct idler *out,
                             unsigned most) {
  char *now = manners_threads(), *line, *new = manners_difference(before, now);
  unsigned count = 0;
  for (line = strtok(new, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    char blocked[32] = "";
    if (line[0] != '+' || count == most) continue;
    if (sscanf(line, "+%23s %31s %31s", out[count].id, out[count].name,
               blocked) != 3 ||
        strcmp(blocked, "process") != 0)
      caller_wrong("thread %s blocks %s", line, blocked);
    count++;
  }
  manners_free(new);
  manners_free(now);
  return count;
}

/* Whether none ran for a second. */
static int are_idle(struct idler *threads, unsigned count, char *who) {
  unsigned i;
  for (i = 0; i < count; i++) threads[i].seen = switches(threads[i].id);
  sleep(1);
  for (i = 0; i < count; i++) {
    long now = switches(threads[i].id);
    if (now == threads[i].seen || now == -1) continue;
    sprintf(who, "%s ran %ld times in a second", threads[i].name,
            now - threads[i].seen);
    return 0;
  }
  return 1;
}

void show_threads(void) {
  char *before = manners_threads(), who[96] = "";
  struct idler threads[64];
  struct callers both = callers_load();
  unsigned count, tries = 0;
  crowd(CROWD, call_some, &both);
  count = find_threads(before, threads, 64);
  if (count < 2) caller_wrong("only %u threads of the plugins seen", count);
  while (!are_idle(threads, count, who))
    if (++tries == 3) {
      caller_wrong("not idle: %s", who);
      break;
    }
  manners_free(before);
  printf(
      "%u threads of the plugins block all that is meant for the process and "
      "no fault; none ran in a second of idleness\n",
      count);
}

/* --- symbols ---------------------------------------------------------------
 */

/* Names that this program has not: nobody may see them of the plugins'. */
static const char *const hidden[] = {"uv_version_string",
                                     "uv_loop_close",
                                     "uv_poll_start",
                                     "ob_version_string",
                                     "ob_strerror",
                                     "ob_engine_stop",
                                     "ob__now",
                                     "swift_bridgeObjectRetain",
                                     "swift_getTypeByMangledName",
                                     "swift_dynamicCast",
                                     "sqlite3_libversion",
                                     "sqlite3_prepare_v2",
                                     "sqlite3_close",
                                     "mcp_error",
                                     "mcp_tools_call",
                                     "pricing_init",
                                     "dispatch_async",
                                     "_dispatch_main_q"};

static void look(const struct caller *plugin) {
  Dl_info at;
  size_t i;
  for (i = 0; i < sizeof hidden / sizeof *hidden; i++) {
    void *found = dlsym(plugin->image, hidden[i]);
    if (found != NULL && dladdr(found, &at) != 0 &&
        strcmp(at.dli_fname, plugin->path) == 0)
      caller_wrong("%s shows %s", plugin->path, hidden[i]);
    if (manners_global(hidden[i]) != 0)
      caller_wrong("%s is visible to all", hidden[i]);
  }
}

static void show_symbols(int flags) {
  struct callers both;
  int declared;
  both.pricing = caller_open(getenv("PRICING"), flags);
  caller_start(&both.pricing, PRICING_CONFIG);
  both.clock = caller_open(getenv("CLOCK"), flags);
  caller_start(&both.clock, CLOCK_CONFIG);
  crowd(CROWD, call_some, &both);
  look(&both.pricing);
  look(&both.clock);
  if (decoy_called() != NULL)
    caller_wrong("a plugin used the host's %s", decoy_called());
  declared = manners_global(MCP_PLUGIN_SYMBOL) != 0;
  if (declared != (flags == RTLD_GLOBAL))
    caller_wrong(MCP_PLUGIN_SYMBOL " is%s visible to all",
                 declared ? "" : " not");
  printf(
      "%zu names looked for, 18 decoys of the host's never called; %s is all "
      "that is visible with RTLD_%s\n",
      sizeof hidden / sizeof *hidden, declared ? MCP_PLUGIN_SYMBOL : "nothing",
      flags == RTLD_GLOBAL ? "GLOBAL" : "LOCAL");
}

void show_symbols_local(void) {
  show_symbols(RTLD_LOCAL);
}

void show_symbols_global(void) {
  show_symbols(RTLD_GLOBAL);
}
