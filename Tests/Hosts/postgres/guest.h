/* What the two halves of the extension share: plugins (guest.c) and the engine
 * (engine.c). Everything here runs on the backend's one thread, but for what
 * says otherwise. */
#ifndef HOST_GUEST_H
#define HOST_GUEST_H

#include <mcp_plugin.h>
#include <stdbool.h>

struct guest {
  char name[32];
  char *path; /* strdup'd: it lives as long as the process */
  void *handle;
  const mcp_plugin *plugin;
  bool started; /* configured and initialised, by this process or its parent */
};

/* The plugin loaded under a name; ereport(ERROR) when there is none. */
const struct guest *guest_named(const char *name);

/* Loads a plugin and, if `json` is not NULL, configures and starts it; does
 * what has not been done yet. ereport(ERROR) with the reason. */
void guest_add(const char *name, const char *path, const char *json,
               bool global);

/* Starts the backend's engine, if there is none yet. It forks with its process
 * by OB_FORK_RESTART: the postmaster's engine is a fresh one in each backend.
 * ereport(ERROR) with the reason. */
void engine_ready(void);

/* One call of the engine in a child of fork: no ereport, no palloc. 0 when the
 * answer was right. */
int engine_in_child(void);

#endif
