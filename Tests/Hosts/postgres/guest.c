/* An extension of PostgreSQL that loads plugins and calls their tools from the
 * backend: as any function in C that may take a while, such a call is one the
 * backend waits for. engine.c shows calls that can be interrupted.
 *
 * Between a plugin's answer and free_string nothing here may ereport: a
 * longjmp would lose the plugin's buffer. So the copy is made by an allocation
 * that returns NULL, and errors are reported afterwards. No longjmp ever
 * crosses a frame of a plugin. */
#include <postgres.h>
/* after it */
#include <dlfcn.h>
#include <fmgr.h>
#include <miscadmin.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utils/builtins.h>
#include <utils/guc.h>
#include <utils/memutils.h>

#include "../support/manners.h"
#include "guest.h"

PG_MODULE_MAGIC;
void _PG_init(void);

#define MOST 16
static struct guest guests[MOST];
static int count;
static char *paths[3]; /* GUCs guest.pricing, guest.clock, guest.parent */

const struct guest *guest_named(const char *name) {
  int i;
  for (i = 0; i < count; i++)
    if (strcmp(guests[i].name, name) == 0) return &guests[i];
  ereport(ERROR, (errmsg("no plugin was loaded as \"%s\"", name)));
}

/* A copy in the current memory context; the buffer is given back in any case.
 * NULL without memory. */
static char *take(const mcp_plugin *plugin, uint8_t *buf, size_t len) {
  char *copy = palloc_extended(len + 1, MCXT_ALLOC_NO_OOM);
  if (copy != NULL) {
    memcpy(copy, buf != NULL ? (char *)buf : "", len);
    copy[len] = '\0';
  }
  if (buf != NULL) plugin->free_string(buf, len);
  if (copy == NULL)
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  return copy;
}

static int32_t configure(const mcp_plugin *plugin, const char *json) {
  if (plugin->configure == NULL) return MCP_OK;
  return plugin->configure((const uint8_t *)json, strlen(json));
}

static void start(const mcp_plugin *plugin, const char *json) {
  uint8_t *buf = NULL;
  size_t len = 0;
  int32_t code = configure(plugin, json);
  if (code != MCP_OK) ereport(ERROR, (errmsg("configure answers %d", code)));
  if (plugin->init != NULL && plugin->init(&buf, &len) != MCP_OK)
    ereport(ERROR, (errmsg("init: %s", take(plugin, buf, len))));
}

void guest_add(const char *name, const char *path, const char *json,
               bool global) {
  struct guest *one = guests;
  while (one < guests + count && strcmp(one->name, name) != 0) one++;
  if (one == guests + MOST) ereport(ERROR, (errmsg("too many plugins")));
  if (one == guests + count) {
    void *handle = dlopen(path, RTLD_NOW | (global ? RTLD_GLOBAL : 0));
    if (handle == NULL) ereport(ERROR, (errmsg("%s", dlerror())));
    one->plugin = dlsym(handle, MCP_PLUGIN_SYMBOL);
    one->path = strdup(path);
    if (one->plugin == NULL || one->path == NULL)
      ereport(ERROR, (errmsg("no declaration, or no memory")));
    one->handle = handle;
    strlcpy(one->name, name, sizeof one->name);
    count++;
  }
  if (json == NULL || one->started) return;
  start(one->plugin, json);
  one->started = true;
}

/* --- Functions of SQL ----------------------------------------------------- */

static char *text_arg(FunctionCallInfo fcinfo, int n) {
  return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

PG_FUNCTION_INFO_V1(guest_load);
Datum guest_load(PG_FUNCTION_ARGS) {
  guest_add(text_arg(fcinfo, 0), text_arg(fcinfo, 1), text_arg(fcinfo, 2),
            PG_GETARG_BOOL(3));
  PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(guest_call);
Datum guest_call(PG_FUNCTION_ARGS) {
  const struct guest *guest = guest_named(text_arg(fcinfo, 0));
  char *tool = text_arg(fcinfo, 1), *args = text_arg(fcinfo, 2), *body;
  uint8_t *buf = NULL;
  size_t len = 0;
  int32_t code = guest->plugin->execute_tool(tool, (const uint8_t *)args,
                                             strlen(args), &buf, &len);
  body = take(guest->plugin, buf, len);
  CHECK_FOR_INTERRUPTS(); /* what came while the tool ran */
  if (code != MCP_OK)
    ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
                    errmsg("tool answers %d: %s", code, body)));
  PG_RETURN_TEXT_P(cstring_to_text(body));
}

/* dlclose, dlopen: the codes of configure with the same and another text. */
PG_FUNCTION_INFO_V1(guest_reload);
Datum guest_reload(PG_FUNCTION_ARGS) {
  struct guest *guest = (struct guest *)guest_named(text_arg(fcinfo, 0));
  const mcp_plugin *before = guest->plugin;
  char *same = text_arg(fcinfo, 1), *other = text_arg(fcinfo, 2);
  uint8_t *buf = NULL;
  size_t len = 0;
  int32_t codes[3];
  if (dlclose(guest->handle) != 0) ereport(ERROR, (errmsg("%s", dlerror())));
  guest->handle = dlopen(guest->path, RTLD_NOW);
  if (guest->handle == NULL) ereport(ERROR, (errmsg("%s", dlerror())));
  guest->plugin = dlsym(guest->handle, MCP_PLUGIN_SYMBOL);
  codes[0] = configure(guest->plugin, same);
  codes[1] = configure(guest->plugin, other);
  codes[2] = guest->plugin->init != NULL ? guest->plugin->init(&buf, &len) : 0;
  if (buf != NULL) guest->plugin->free_string(buf, len);
  PG_RETURN_TEXT_P(
      cstring_to_text(psprintf("%s, configure %d and %d, init %d",
                               before == guest->plugin ? "same" : "another",
                               codes[0], codes[1], codes[2])));
}

/* In a child of the backend: no ereport, no palloc, none of the backend's exit
 * callbacks. */
static void child(const struct guest *guest, const char *tool, const char *args,
                  const char *part) {
  uint8_t *buf = NULL;
  size_t len = 0;
  int32_t code;
  signal(SIGALRM, SIG_DFL);
  alarm(20);
  code = guest->plugin->execute_tool(tool, (const uint8_t *)args, strlen(args),
                                     &buf, &len);
  if (code != MCP_ERROR || buf == NULL ||
      memmem(buf, len, part, strlen(part)) == NULL)
    _exit(1);
  guest->plugin->free_string(buf, len);
  _exit(engine_in_child() == 0 ? 42 : 2);
}

/* Forks the backend so many times; the number of children that did not get the
 * error that has `part` in it from the plugin, or no answer of the engine's. */
PG_FUNCTION_INFO_V1(guest_forks);
Datum guest_forks(PG_FUNCTION_ARGS) {
  const struct guest *guest = guest_named(text_arg(fcinfo, 0));
  char *tool = text_arg(fcinfo, 1), *args = text_arg(fcinfo, 2),
       *part = text_arg(fcinfo, 3);
  int times = PG_GETARG_INT32(4), bad = 0;
  fflush(NULL);
  while (times-- > 0 && bad < 3) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) child(guest, tool, args, part);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 42) {
      elog(WARNING, "fork child: status %x", status);
      bad++;
    }
  }
  PG_RETURN_INT32(bad);
}

static Datum give(char *text) {
  Datum datum = CStringGetTextDatum(text != NULL ? text : "");
  manners_free(text);
  return datum;
}

PG_FUNCTION_INFO_V1(guest_state);
Datum guest_state(PG_FUNCTION_ARGS) {
  (void)fcinfo;
  return give(manners_state());
}

PG_FUNCTION_INFO_V1(guest_descriptors);
Datum guest_descriptors(PG_FUNCTION_ARGS) {
  (void)fcinfo;
  return give(manners_descriptors());
}

PG_FUNCTION_INFO_V1(guest_threads);
Datum guest_threads(PG_FUNCTION_ARGS) {
  (void)fcinfo;
  return give(manners_threads());
}

/* The file that a symbol lies in, as the whole process sees it, or ''. */
PG_FUNCTION_INFO_V1(guest_file);
Datum guest_file(PG_FUNCTION_ARGS) {
  return give(manners_file_of(manners_global(text_arg(fcinfo, 0))));
}

static void setting(const char *name, char **value) {
  DefineCustomStringVariable(name, "Path of a plugin.", NULL, value, "",
                             PGC_POSTMASTER, 0, NULL, NULL, NULL);
}

/* In the postmaster (shared_preload_libraries): both plugins loaded and not
 * started, one started, and the engine running, before any fork. */
void _PG_init(void) {
  if (!process_shared_preload_libraries_in_progress) return;
  setting("guest.pricing", &paths[0]);
  setting("guest.clock", &paths[1]);
  setting("guest.parent", &paths[2]);
  guest_add("pricing", paths[0], NULL, false);
  guest_add("clock", paths[1], NULL, false);
  guest_add("parent", paths[2], "{}", false);
  engine_ready();
}
