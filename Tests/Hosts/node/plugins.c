/* Plugins through their C ABI, threads that call them, forks. No N-API here:
 * these threads are not Node's. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "plugins.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 64

static struct plugin plugins[MOST];
static int count; /* under the lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int plugins_load(const char *path, int flags, const char **reason) {
  struct plugin one = {NULL, NULL, NULL};
  int number = -1;
  one.handle = dlopen(path, flags);
  if (one.handle == NULL) {
    *reason = dlerror();
    return -1;
  }
  one.declaration = dlsym(one.handle, MCP_PLUGIN_SYMBOL);
  one.path = strdup(path);
  *reason = one.declaration == NULL ? "no plugin_declaration" : "too many";
  pthread_mutex_lock(&lock);
  if (one.declaration != NULL && count < MOST) {
    number = count++;
    plugins[number] = one;
  }
  pthread_mutex_unlock(&lock);
  return number;
}

struct plugin *plugins_at(int64_t number) {
  struct plugin *found = NULL;
  pthread_mutex_lock(&lock);
  if (number >= 0 && number < count) found = &plugins[number];
  pthread_mutex_unlock(&lock);
  return found;
}

struct answer plugins_call(const struct plugin *plugin, const char *tool,
                           const char *args) {
  struct answer answer = {0, NULL};
  uint8_t *buf = NULL;
  size_t len = 0;
  answer.code = plugin->declaration->execute_tool(tool, (const uint8_t *)args,
                                                  strlen(args), &buf, &len);
  answer.text = malloc(len + 1);
  if (answer.text == NULL) abort();
  if (len > 0) memcpy(answer.text, buf, len);
  answer.text[len] = '\0';
  if (buf != NULL) plugin->declaration->free_string(buf, len);
  return answer;
}

/* --- Flood ---------------------------------------------------------------- */

static struct {
  const struct plugin *plugin;
  char *tool, *args, *begin;
  int32_t code;
  pthread_t threads[64];
  int running;
  atomic_int stopping;
  atomic_llong calls, wrong;
  char first_wrong[256]; /* by whoever made `wrong` 1 */
} flood;

static void *flood_main(void *arg) {
  (void)arg;
  while (!atomic_load(&flood.stopping)) {
    struct answer answer = plugins_call(flood.plugin, flood.tool, flood.args);
    if (answer.code != flood.code ||
        strncmp(answer.text, flood.begin, strlen(flood.begin)) != 0)
      if (atomic_fetch_add(&flood.wrong, 1) == 0)
        snprintf(flood.first_wrong, sizeof flood.first_wrong, "code %d: %s",
                 answer.code, answer.text);
    atomic_fetch_add(&flood.calls, 1);
    free(answer.text);
  }
  return NULL;
}

int flood_start(const struct plugin *plugin, const char *tool, const char *args,
                int32_t code, const char *begin, int threads) {
  flood_stop();
  flood.plugin = plugin;
  flood.tool = strdup(tool);
  flood.args = strdup(args);
  flood.begin = strdup(begin);
  flood.code = code;
  atomic_store(&flood.stopping, 0);
  atomic_store(&flood.calls, 0);
  atomic_store(&flood.wrong, 0);
  flood.first_wrong[0] = '\0';
  while (flood.running < threads && flood.running < 64) {
    if (pthread_create(&flood.threads[flood.running], NULL, flood_main, NULL))
      break;
    flood.running++;
  }
  return flood.running;
}

void flood_counts(int64_t *calls, int64_t *wrong) {
  *calls = atomic_load(&flood.calls);
  *wrong = atomic_load(&flood.wrong);
}

const char *flood_first_wrong(void) {
  return flood.first_wrong;
}

void flood_stop(void) {
  atomic_store(&flood.stopping, 1);
  while (flood.running > 0) pthread_join(flood.threads[--flood.running], NULL);
  free(flood.tool);
  free(flood.args);
  free(flood.begin);
  flood.tool = flood.args = flood.begin = NULL;
}

/* --- Forks ---------------------------------------------------------------- */

/* In the child. A call that hangs meets the alarm, whose action is default
 * here: nobody took it in this process. */
static void child(const struct plugin *plugin, const char *tool,
                  const char *args, int32_t code, const char *part) {
  struct answer answer;
  alarm(20);
  answer = plugins_call(plugin, tool, args);
  if (answer.code == code && strstr(answer.text, part) != NULL) _exit(42);
  dprintf(2, "fork child: code %d: %s\n", answer.code, answer.text);
  _exit(1);
}

int64_t forks_run(const struct plugin *plugin, const char *tool,
                  const char *args, int32_t code, const char *part,
                  int64_t times) {
  int64_t bad = 0, i;
  for (i = 0; i < times; i++) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) child(plugin, tool, args, code, part);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 42)
      bad++;
    if (bad > 3) break; /* each may have taken its 20 s */
  }
  return bad;
}
