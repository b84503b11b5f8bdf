/* The plugins of this process, loaded through their C ABI. */
#ifndef HOST_PLUGINS_H
#define HOST_PLUGINS_H

#include <mcp_plugin.h>

/* One plugin. Made on one thread, then read by all. */
struct plugin {
  char *path;
  void *handle; /* of dlopen */
  const mcp_plugin *declaration;
};

/* A tool's answer: the code, and its text with a NUL; free() it. */
struct answer {
  int32_t code;
  char *text;
};

/* dlopen and the declaration; -1 with a reason, else the plugin's number. */
int plugins_load(const char *path, int flags, const char **reason);

/* NULL when there is no such plugin. */
struct plugin *plugins_at(int64_t number);

/* Calls a tool and gives its buffer back by free_string. Any thread. */
struct answer plugins_call(const struct plugin *plugin, const char *tool,
                           const char *args);

/* Threads of this library's own that call a tool until they are told to stop,
 * each answer compared: it has `code` and begins with `begin`. */
int flood_start(const struct plugin *plugin, const char *tool, const char *args,
                int32_t code, const char *begin, int threads);
void flood_counts(int64_t *calls, int64_t *wrong);
/* Joins them. */
void flood_stop(void);
/* After flood_stop: the first wrong answer, or "". */
const char *flood_first_wrong(void);

/* Forks so many times; each child calls the tool, whose answer has `code` and
 * has `part` in it, and ends by _exit. The number of children that did not. */
int64_t forks_run(const struct plugin *plugin, const char *tool,
                  const char *args, int32_t code, const char *part,
                  int64_t times);

#endif
