/* More of outboard_spi.h: threads and monitors, for the fallback thread of the
 * Swift layer. Swift's own mutex would do, but ThreadSanitizer sees races in it
 * that are not there. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* --- Threads ----------------------------------------------------------------
 */

typedef struct start {
  const char *name;
  void (*fn)(void *);
  void *arg;
} start;

static void *run(void *memory) {
  start begin = *(start *)memory;
  free(memory);
  ob__thread_name(begin.name);
  begin.fn(begin.arg);
  return NULL;
}

int ob_spi_thread_start(const char *name, void (*fn)(void *), void *arg) {
  start *begin = malloc(sizeof *begin);
  pthread_t thread;
  int rc;
  if (begin == NULL) return ob__fail(OB_ENOMEM, "no memory for a thread");
  *begin = (start){name, fn, arg};
  rc = ob__thread_create(&thread, 0, run, begin);
  if (rc == 0) {
    pthread_detach(thread);
    return OB_OK;
  }
  free(begin);
  return ob__fail(OB_ESYSTEM, "no thread: %s", strerror(rc));
}

/* --- Monitors ---------------------------------------------------------------
 */

struct ob_monitor {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
};

ob_monitor *ob_spi_monitor_new(void) {
  ob_monitor *monitor = malloc(sizeof *monitor);
  if (monitor == NULL) return NULL;
  pthread_mutex_init(&monitor->mutex, NULL);
  if (ob__cond_init(&monitor->changed) == 0) return monitor;
  pthread_mutex_destroy(&monitor->mutex);
  free(monitor);
  return NULL;
}

void ob_spi_monitor_free(ob_monitor *monitor) {
  pthread_cond_destroy(&monitor->changed);
  pthread_mutex_destroy(&monitor->mutex);
  free(monitor);
}

void ob_spi_monitor_lock(ob_monitor *monitor) {
  pthread_mutex_lock(&monitor->mutex);
}

void ob_spi_monitor_unlock(ob_monitor *monitor) {
  pthread_mutex_unlock(&monitor->mutex);
}

void ob_spi_monitor_signal(ob_monitor *monitor) {
  pthread_cond_signal(&monitor->changed);
}

void ob_spi_monitor_wait(ob_monitor *monitor, uint64_t ns) {
  ob__cond_wait(&monitor->changed, &monitor->mutex, ob__deadline(ns));
}
