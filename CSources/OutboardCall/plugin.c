/* Loading a plugin and calling through its declaration. */
#include "call.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Of a 0.x line every minor may break; these are the ones we know. */
#define OLDEST_MINOR 1
#define NEWEST_MINOR 5

static void *open_image(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0)
    fail(EXIT_LOAD, "check the path; `make` builds into build/plugins",
         "cannot load %s: %s", path, strerror(errno));
  if (!S_ISREG(status.st_mode))
    fail(EXIT_LOAD, "name the shared object itself",
         "cannot load %s: not a regular file", path);
  /* dlopen looks a bare name up elsewhere; resolve it here. */
  char *resolved = realpath(path, NULL);
  void *image =
      dlopen(resolved != NULL ? resolved : path, RTLD_NOW | RTLD_LOCAL);
  free(resolved);
  if (image == NULL)
    fail(EXIT_LOAD,
         "it must be a shared object for this machine with all that it needs "
         "(see: file, ldd)",
         "cannot load %s: %s", path, dlerror());
  return image;
}

int plugin_minor(const char *version) {
  unsigned major, minor, patch;
  int end = 0;
  if (sscanf(version, "%3u.%3u.%3u%n", &major, &minor, &patch, &end) != 3 ||
      version[end] != 0 || major != 0)
    return -1;
  return (int)minor;
}

static void need(const char *path, const char *member, int present) {
  if (!present)
    fail(EXIT_ABI, "the plugin's author must set it",
         "%s: plugin_declaration.%s is NULL", path, member);
}

struct plugin plugin_load(const char *path) {
  struct plugin plugin = {.path = path, .image = open_image(path)};
  const mcp_plugin *d = dlsym(plugin.image, MCP_PLUGIN_SYMBOL);
  if (d == NULL)
    fail(EXIT_LOAD,
         "a plugin exports that data symbol (see: nm -D --defined-only)",
         "%s has no symbol " MCP_PLUGIN_SYMBOL, path);
  need(path, "api_version", d->api_version != NULL);
  plugin.minor = plugin_minor((const char *)d->api_version);
  if (plugin.minor < OLDEST_MINOR || plugin.minor > NEWEST_MINOR)
    fail(EXIT_ABI, "rebuild the plugin against a header that this host knows",
         "%s: plugin ABI '%.32s', this host knows 0.%d to 0.%d", path,
         (const char *)d->api_version, OLDEST_MINOR, NEWEST_MINOR);
  need(path, "list_tools", d->list_tools != NULL);
  need(path, "execute_tool", d->execute_tool != NULL);
  need(path, "free_string", d->free_string != NULL);
  plugin.declaration = d;
  return plugin;
}

void plugin_configure(const struct plugin *plugin, const char *json) {
  const mcp_plugin *d = plugin->declaration;
  if (d->configure == NULL)
    fail(EXIT_CONFIGURE, "leave --config out", "%s takes no configuration",
         plugin->path);
  int32_t code = d->configure((const uint8_t *)json, strlen(json));
  if (code == MCP_OK) return;
  /* configure has no error text, but init may know the reason. */
  struct answer why = {0};
  char *text = NULL;
  if (code == MCP_ERROR && d->init != NULL) {
    why.code = d->init(&why.bytes, &why.size);
    if (why.code != MCP_OK) text = json_error_text(why.bytes, why.size);
    answer_free(plugin, &why);
  }
  fail(EXIT_CONFIGURE, "compare --config with --schema",
       "%s refused its configuration (code %d%s)%s%s", plugin->path, (int)code,
       code == MCP_CONFIGURED ? ": configured already" : "",
       text != NULL ? ": " : "", text != NULL ? text : "");
}

void plugin_init(const struct plugin *plugin) {
  struct answer answer = {0};
  if (plugin->declaration->init == NULL) return;
  answer.code = plugin->declaration->init(&answer.bytes, &answer.size);
  if (answer.code != MCP_OK) {
    char *text = json_error_text(answer.bytes, answer.size);
    char code[64];
    snprintf(code, sizeof code, "it gave no reason, only code %d",
             (int)answer.code);
    answer_free(plugin, &answer);
    fail(EXIT_INIT, NULL, "%s failed to start: %s", plugin->path,
         text != NULL ? text : code);
  }
  answer_free(plugin, &answer);
}

struct answer plugin_call(const struct plugin *plugin, const char *tool,
                          const char *args, size_t args_size) {
  struct answer answer = {0};
  answer.code = plugin->declaration->execute_tool(
      tool, (const uint8_t *)args, args_size, &answer.bytes, &answer.size);
  return answer;
}

void answer_free(const struct plugin *plugin, struct answer *answer) {
  if (answer->bytes != NULL)
    plugin->declaration->free_string(answer->bytes, answer->size);
  answer->bytes = NULL;
  answer->size = 0;
}

void plugin_unload(struct plugin *plugin) {
  if (dlclose(plugin->image) != 0)
    fail(EXIT_LOAD, NULL, "cannot unload %s: %s", plugin->path, dlerror());
}
