/* See checks.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "checks.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crowd.h"
#include "manners.h"

/* Counts as wrong when the two texts differ; frees both. */
void check_same(const char *what, char *before, char *after) {
  char *difference = manners_difference(before, after);
  if (difference[0] != '\0') caller_wrong("%s: %s", what, difference);
  manners_free(difference);
  manners_free(before);
  manners_free(after);
}

void check_cloexec(const char *before, const char *now) {
  char *new = manners_difference(before, now), *line;
  for (line = strtok(new, "\n"); line != NULL; line = strtok(NULL, "\n"))
    if (line[0] == '+' && strstr(line, " inherited ") != NULL)
      caller_wrong("a descriptor is not close-on-exec: %s", line);
  manners_free(new);
}

/* --- Threads ---------------------------------------------------------------
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

unsigned check_threads(const char *before, unsigned least) {
  struct idler threads[64];
  char who[96] = "";
  unsigned count = find_threads(before, threads, 64), tries = 0;
  if (count < least) caller_wrong("only %u threads of the plugins seen", count);
  while (!are_idle(threads, count, who))
    if (++tries == 3) {
      caller_wrong("not idle: %s", who);
      break;
    }
  return count;
}

/* --- Symbols ---------------------------------------------------------------
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

unsigned check_hidden(const struct caller *plugin) {
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
  return (unsigned)i;
}

/* Of decoys.h; a program with an engine of its own cannot have them. */
__attribute__((weak)) const char *decoy_called(void);

void check_visible(int flags) {
  int declared = manners_global(MCP_PLUGIN_SYMBOL) != 0;
  if (decoy_called != NULL && decoy_called() != NULL)
    caller_wrong("a plugin used the host's %s", decoy_called());
  if (declared != (flags == RTLD_GLOBAL))
    caller_wrong(MCP_PLUGIN_SYMBOL " is%s visible to all",
                 declared ? "" : " not");
}

/* --- Life ------------------------------------------------------------------
 */

void check_configure(const struct caller *plugin, const char *config,
                     int32_t wanted) {
  int32_t code =
      plugin->abi->configure((const uint8_t *)config, strlen(config));
  if (code != wanted)
    caller_wrong("%s: configure %s answers %" PRId32 ", not %" PRId32,
                 plugin->path, config, code, wanted);
}

static void must_say_so(const struct caller *plugin, const char *what,
                        int32_t code, const char *text) {
  if (code != 1 || strstr(text, "belongs to the parent process") == NULL)
    caller_wrong("%s in a child, %s: %" PRId32 " %s", plugin->path, what, code,
                 text);
}

void check_told(const struct caller *plugin, const char *tool,
                const char *args) {
  int32_t code;
  char *text = caller_call(plugin, tool, args, &code);
  must_say_so(plugin, tool, code, text);
  free(text);
}

void check_stays_told(const struct caller *pricing, const char *config) {
  uint8_t *why = NULL;
  size_t size = 0;
  char text[512];
  int32_t code;
  check_told(pricing, "get_product_price", "{}");
  check_told(pricing, "nonsense", "{\"product_id\":");
  check_configure(pricing, config, 1);
  code = pricing->abi->init(&why, &size);
  snprintf(text, sizeof text, "%.*s", (int)size,
           why != NULL ? (char *)why : "");
  if (why != NULL) pricing->abi->free_string(why, size);
  must_say_so(pricing, "init", code, text);
}

pid_t await_child(pid_t child, unsigned seconds, int *status) {
  int64_t begin = caller_now_ms();
  pid_t ended;
  while ((ended = waitpid(child, status, WNOHANG)) == 0) {
    if (caller_now_ms() - begin > seconds * INT64_C(1000)) {
      kill(child, SIGKILL);
      return waitpid(child, status, 0);
    }
    usleep(200);
  }
  return ended;
}

void check_fork(check_child body, const void *arg, unsigned number,
                int wanted) {
  const char *limit = getenv("PATIENCE");
  unsigned patience = limit == NULL ? 30 : (unsigned)atoi(limit);
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    body(arg, number);
    _exit(1); /* it has not ended */
  }
  if (child < 0 || await_child(child, patience, &status) != child)
    caller_wrong("fork %u: %s", number, strerror(errno));
  else if (!WIFEXITED(status) || WEXITSTATUS(status) != wanted)
    caller_wrong("child %u ended with %s %d", number,
                 WIFSIGNALED(status) ? "signal" : "status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

void check_no_children(void) {
  if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
    caller_wrong("there are children left");
}

/* --- A database that is locked ---------------------------------------------
 */

#define WAITERS 16u

/* A price that must time out, since another process has locked the file. */
static void time_out(void *arg, unsigned thread) {
  int32_t code;
  char *text =
      caller_call(arg, "get_product_price", "{\"product_id\":1}", &code);
  (void)thread;
  if (code != 1 || strstr(text, "Timed out after 2 s") == NULL)
    caller_wrong("a locked database: %" PRId32 " %s", code, text);
  free(text);
}

void check_database_deadline(const char *copy) {
  const char *home = getenv("HOME");
  char path[4096], config[5000];
  struct caller pricing;
  int64_t begin;
  int lock;
  snprintf(path, sizeof path, "%s/deadline.db", home);
  unlink(path);
  snprintf(config, sizeof config,
           "{\"database_url\":\"sqlite:%s\",\"timeout_seconds\":2}", path);
  pricing = caller_load(copy, config);
  caller_price(&pricing, 0);
  lock = caller_lock(path);
  begin = caller_now_ms();
  crowd(WAITERS, time_out, &pricing);
  if (caller_now_ms() - begin > 15000)
    caller_wrong("a deadline of 2 s took %" PRId64 " ms",
                 caller_now_ms() - begin);
  caller_unlock(lock);
  caller_price(&pricing, 0);
}
