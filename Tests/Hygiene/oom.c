/* Loads a C plugin and calls it on fresh threads while memory is short: on one
 * thread the k-th allocation fails, or all from the k-th on. The call gives an
 * answer or an error; nothing aborts. In particular no thread-local block is
 * allocated late, which glibc answers with an abort.
 *
 *   oom PLUGIN TOOL ARGUMENTS    exit status 0, and 'N calls short of memory'
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <errno.h>
#include <mcp_plugin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static __thread int armed;      /* this thread's allocations are counted */
static __thread int left;       /* until one fails; then 0 */
static __thread int for_ever;   /* all later ones fail, too */
static __thread int has_failed; /* so many did */

static int fails(void) {
  if (!armed) return 0;
  if (left > 0 && --left > 0) return 0;
  if (has_failed > 0 && !for_ever) return 0;
  has_failed++;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t size) {
  return fails() ? NULL : __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  return fails() ? NULL : __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
  return fails() ? NULL : __libc_realloc(old, size);
}
int posix_memalign(void **out, size_t alignment, size_t size) {
  if (fails()) return ENOMEM;
  *out = __libc_memalign(alignment, size);
  return *out == NULL ? ENOMEM : 0;
}
void *aligned_alloc(size_t alignment, size_t size) {
  return fails() ? NULL : __libc_memalign(alignment, size);
}

static const mcp_plugin *plugin;
static const char *tool, *arguments;

typedef struct attempt {
  int k, ever;     /* in */
  int code, count; /* out: the tool's, the failed allocations */
} attempt;

static void *call_short(void *arg) {
  attempt *mine = arg;
  uint8_t *body = NULL;
  size_t size = 0;
  left = mine->k;
  for_ever = mine->ever;
  armed = 1;
  mine->code = plugin->execute_tool(tool, (const uint8_t *)arguments,
                                    strlen(arguments), &body, &size);
  armed = 0;
  mine->count = has_failed;
  if (body != NULL) plugin->free_string(body, size);
  return NULL;
}

static attempt try_one(int k, int ever) {
  attempt mine = {k, ever, 0, 0};
  pthread_t thread;
  if (pthread_create(&thread, NULL, call_short, &mine) != 0 ||
      pthread_join(thread, NULL) != 0)
    exit(1);
  return mine;
}

int main(int count, char **words) {
  uint8_t *error = NULL;
  size_t size = 0;
  void *object;
  attempt mine = {0, 0, 0, 0};
  int k, ever, calls = 0;
  if (count != 4) return 1;
  tool = words[2];
  arguments = words[3];
  object = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  plugin = dlsym(object, "plugin_declaration");
  if (plugin == NULL || plugin->init(&error, &size) != 0) return 1;
  for (ever = 0; ever < 2; ever++)
    for (k = 1; k < 200; k++) {
      mine = try_one(k, ever);
      if (mine.count == 0) break; /* it needs no more than that */
      calls++;
    }
  if (mine.count != 0 || mine.code != 0 || calls == 0) {
    fprintf(stderr, "the last call: code %d, %d allocations failed, %d calls\n",
            mine.code, mine.count, calls);
    return 1;
  }
  printf("%d calls short of memory\n", calls);
  return 0;
}
