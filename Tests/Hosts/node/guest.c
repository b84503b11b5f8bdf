/* guest.node: loads plugins into Node and calls their tools: on the thread of
 * JavaScript, on Node's own pool (napi_async_work), and on threads that are
 * not Node's (plugins.c). Context-aware: every worker may load it. */
#include <dlfcn.h>
#include <string.h>

#include "../support/manners.h"
#include "napi.h"
#include "plugins.h"

static const struct plugin *plugin_of(napi_env env, napi_value value) {
  const struct plugin *plugin = plugins_at(int_of(env, value));
  if (plugin == NULL) abort();
  return plugin;
}

static napi_value to_answer(napi_env env, struct answer *answer) {
  napi_value pair;
  MUST(napi_create_array_with_length(env, 2, &pair));
  MUST(napi_set_element(env, pair, 0, to_int(env, answer->code)));
  MUST(napi_set_element(env, pair, 1, to_text(env, answer->text)));
  free(answer->text);
  return pair;
}

/* load(path, global): the plugin's number */
static napi_value load(napi_env env, napi_callback_info info) {
  napi_value args[2];
  const char *reason = NULL;
  bool global = false;
  char *path;
  int number;
  take(env, info, 2, args);
  path = text_of(env, args[0]);
  MUST(napi_get_value_bool(env, args[1], &global));
  number = plugins_load(path, RTLD_NOW | (global ? RTLD_GLOBAL : 0), &reason);
  free(path);
  if (number < 0) napi_throw_error(env, NULL, reason);
  return to_int(env, number);
}

/* unload(plugin): dlclose; the pointers are used as before */
static napi_value unload(napi_env env, napi_callback_info info) {
  napi_value args[1];
  take(env, info, 1, args);
  return to_int(env, dlclose(plugin_of(env, args[0])->handle));
}

/* configure(plugin, json): the ABI's code */
static napi_value configure(napi_env env, napi_callback_info info) {
  napi_value args[2];
  const struct plugin *plugin;
  int32_t code = MCP_OK;
  char *json;
  take(env, info, 2, args);
  plugin = plugin_of(env, args[0]);
  json = text_of(env, args[1]);
  if (plugin->declaration->configure != NULL)
    code = plugin->declaration->configure((const uint8_t *)json, strlen(json));
  free(json);
  return to_int(env, code);
}

/* init(plugin): null, or why not */
static napi_value init(napi_env env, napi_callback_info info) {
  napi_value args[1], said;
  const struct plugin *plugin;
  uint8_t *buf = NULL;
  size_t len = 0;
  take(env, info, 1, args);
  plugin = plugin_of(env, args[0]);
  if (plugin->declaration->init == NULL ||
      plugin->declaration->init(&buf, &len) == MCP_OK)
    return to_text(env, NULL);
  MUST(napi_create_string_utf8(env, (const char *)buf, len, &said));
  if (buf != NULL) plugin->declaration->free_string(buf, len);
  return said;
}

/* call(plugin, tool, args): [code, text], on this very thread */
static napi_value call(napi_env env, napi_callback_info info) {
  napi_value args[3];
  struct answer answer;
  char *tool, *text;
  take(env, info, 3, args);
  tool = text_of(env, args[1]);
  text = text_of(env, args[2]);
  answer = plugins_call(plugin_of(env, args[0]), tool, text);
  free(tool);
  free(text);
  return to_answer(env, &answer);
}

/* --- On Node's pool ------------------------------------------------------- */

struct job {
  const struct plugin *plugin;
  char *tool, *args;
  struct answer answer;
  napi_async_work work;
  napi_deferred deferred;
};

static void job_execute(napi_env env, void *data) {
  struct job *job = data;
  (void)env;
  job->answer = plugins_call(job->plugin, job->tool, job->args);
}

/* Also when the environment goes and JavaScript runs no more. */
static void job_complete(napi_env env, napi_status status, void *data) {
  struct job *job = data;
  if (status == napi_ok)
    napi_resolve_deferred(env, job->deferred, to_answer(env, &job->answer));
  else
    free(job->answer.text);
  napi_delete_async_work(env, job->work);
  free(job->tool);
  free(job->args);
  free(job);
}

/* callAsync(plugin, tool, args): a promise of [code, text] */
static napi_value call_async(napi_env env, napi_callback_info info) {
  napi_value args[3], promise;
  struct job *job = calloc(1, sizeof *job);
  if (job == NULL) abort();
  take(env, info, 3, args);
  job->plugin = plugin_of(env, args[0]);
  job->tool = text_of(env, args[1]);
  job->args = text_of(env, args[2]);
  MUST(napi_create_promise(env, &job->deferred, &promise));
  MUST(napi_create_async_work(env, NULL, args[1], job_execute, job_complete,
                              job, &job->work));
  MUST(napi_queue_async_work(env, job->work));
  return promise;
}

/* --- Threads and children that are not Node's ----------------------------- */

/* flood(plugin, tool, args, code, begin, threads): threads started */
static napi_value flood(napi_env env, napi_callback_info info) {
  napi_value args[6];
  char *tool, *text, *begin;
  int started;
  take(env, info, 6, args);
  tool = text_of(env, args[1]);
  text = text_of(env, args[2]);
  begin = text_of(env, args[4]);
  started = flood_start(plugin_of(env, args[0]), tool, text,
                        (int32_t)int_of(env, args[3]), begin,
                        (int)int_of(env, args[5]));
  free(tool);
  free(text);
  free(begin);
  return to_int(env, started);
}

/* flooded(stop): [calls, wrong] so far; after the stop the first wrong one as
 * well, or "" */
static napi_value flooded(napi_env env, napi_callback_info info) {
  napi_value args[1], list;
  int64_t calls, wrong;
  bool stop = false;
  take(env, info, 1, args);
  MUST(napi_get_value_bool(env, args[0], &stop));
  if (stop) flood_stop();
  flood_counts(&calls, &wrong);
  MUST(napi_create_array_with_length(env, 2, &list));
  MUST(napi_set_element(env, list, 0, to_int(env, calls)));
  MUST(napi_set_element(env, list, 1, to_int(env, wrong)));
  if (stop)
    MUST(napi_set_element(env, list, 2, to_text(env, flood_first_wrong())));
  return list;
}

/* forks(plugin, tool, args, code, part, times): children that went wrong */
static napi_value forks(napi_env env, napi_callback_info info) {
  napi_value args[6];
  char *tool, *text, *part;
  int64_t bad;
  take(env, info, 6, args);
  tool = text_of(env, args[1]);
  text = text_of(env, args[2]);
  part = text_of(env, args[4]);
  bad = forks_run(plugin_of(env, args[0]), tool, text,
                  (int32_t)int_of(env, args[3]), part, int_of(env, args[5]));
  free(tool);
  free(text);
  free(part);
  return to_int(env, bad);
}

/* --- Manners -------------------------------------------------------------- */

static napi_value give(napi_env env, char *text) {
  napi_value value = to_text(env, text != NULL ? text : "");
  manners_free(text);
  return value;
}

static napi_value state(napi_env env, napi_callback_info info) {
  (void)info;
  return give(env, manners_state());
}

static napi_value descriptors(napi_env env, napi_callback_info info) {
  (void)info;
  return give(env, manners_descriptors());
}

static napi_value threads(napi_env env, napi_callback_info info) {
  (void)info;
  return give(env, manners_threads());
}

/* file(symbol): the file that it lies in for the whole process, or "" */
static napi_value file(napi_env env, napi_callback_info info) {
  napi_value args[1];
  char *name, *found;
  take(env, info, 1, args);
  name = text_of(env, args[0]);
  found = manners_file_of(manners_global(name));
  free(name);
  return give(env, found);
}

NAPI_MODULE_INIT() {
  export_function(env, exports, "load", load);
  export_function(env, exports, "unload", unload);
  export_function(env, exports, "configure", configure);
  export_function(env, exports, "init", init);
  export_function(env, exports, "call", call);
  export_function(env, exports, "callAsync", call_async);
  export_function(env, exports, "flood", flood);
  export_function(env, exports, "flooded", flooded);
  export_function(env, exports, "forks", forks);
  export_function(env, exports, "state", state);
  export_function(env, exports, "descriptors", descriptors);
  export_function(env, exports, "threads", threads);
  export_function(env, exports, "file", file);
  return exports;
}
