/* Loops that wait for each other.
 *
 * A loop thread may wait on another engine. Under one process-wide mutex it
 * adds its edge and walks the graph; if the walk comes back, the wait is
 * refused before it blocks, and the detail text names the way round. The hosts'
 * threads have no edges and never come here. A wait for any of several tickets
 * counts as a wait for each of their engines, which errs on the safe side. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

static pthread_mutex_t graph = PTHREAD_MUTEX_INITIALIZER;
static uint64_t visits;    /* graph */
static ob_engine *waiting; /* graph: engines whose loop waits */

/* Searches from at for self; writes the names on the way back. */
static int search(ob_engine *at, const ob_engine *self, char *path,
                  size_t size) {
  size_t i, used;
  if (at == self) {
    snprintf(path, size, "%s", at->name);
    return 1;
  }
  if (at->visit == visits) return 0;
  at->visit = visits;
  for (i = 0; i < at->waits_count; i++) {
    if (at->waits_for[i] == NULL || !search(at->waits_for[i], self, path, size))
      continue;
    used = strlen(path);
    if (used + strlen(at->name) + 5 > size) return 1; /* names enough */
    memmove(path + strlen(at->name) + 4, path, used + 1);
    memcpy(path, at->name, strlen(at->name));
    memcpy(path + strlen(at->name), " -> ", 4);
    return 1;
  }
  return 0;
}

void ob__cycle_lock(void) {
  pthread_mutex_lock(&graph);
}

int ob__cycle_enter_locked(ob_engine **targets, size_t count,
                           const char *what) {
  ob_engine *self = ob__loop_self();
  char path[400] = "";
  size_t i;
  int found = 0;
  visits++;
#ifndef OB_BREAK_CYCLE
  for (i = 0; i < count && !found; i++)
    found = search(targets[i], self, path, sizeof path);
#else
  (void)i;
#endif
  if (!found) {
    self->waits_for = targets;
    self->waits_count = count;
    self->next_waiting = waiting;
    waiting = self;
  }
  pthread_mutex_unlock(&graph);
  if (!found) return OB_OK;
  return ob__fail(OB_EDEADLK,
                  "%s: these engines would wait for each other for ever: "
                  "%s -> %s; use ob_submit in place of waiting on a loop",
                  what, self->name, path);
}

int ob__cycle_enter(ob_engine **targets, size_t count, const char *what) {
  ob__cycle_lock();
  return ob__cycle_enter_locked(targets, count, what);
}

void ob__cycle_leave(void) {
  ob_engine *self = ob__loop_self(), **at;
  pthread_mutex_lock(&graph);
  self->waits_for = NULL;
  self->waits_count = 0;
  for (at = &waiting; *at != self; at = &(*at)->next_waiting) {
  }
  *at = self->next_waiting;
  pthread_mutex_unlock(&graph);
}

/* A loop may still be on its way out of a wait for a ticket of this engine's.
 */
void ob__cycle_forget(ob_engine *engine) {
  ob_engine *at;
  size_t i;
  pthread_mutex_lock(&graph);
  for (at = waiting; at != NULL; at = at->next_waiting)
    for (i = 0; i < at->waits_count; i++)
      if (at->waits_for[i] == engine) at->waits_for[i] = NULL;
  pthread_mutex_unlock(&graph);
}

void ob__cycle_in_child(void) {
  pthread_mutex_init(&graph, NULL);
  waiting = NULL;
}
