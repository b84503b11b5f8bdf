/* Engines that are watched, and what the watchdog reports of them. */
#ifndef WATCHING_H
#define WATCHING_H

#include <dirent.h>

#include "harness.h"

#define MS UINT64_C(1000000)

/* --- Engines that are watched --------------------------------------------- */

static ob_stall seen; /* written before found */
static int found;     /* stalls, atomic */

static inline void note(const ob_stall *stall, void *user) {
  CHECK(user == &seen);
  CHECK_EQ(stall->size, sizeof *stall);
  CHECK(ob_engine_current() == NULL);
  seen = *stall;
  __atomic_add_fetch(&found, 1, __ATOMIC_RELEASE);
}

static inline ob_inspect_opts watch_opts(uint64_t stall_ns) {
  ob_inspect_opts opts = OB_INSPECT_OPTS_INIT;
  opts.flags = OB_INSPECT_WATCH;
  opts.stall_ns = stall_ns;
  opts.on_stall = note;
  opts.stall_user = &seen;
  return opts;
}

static inline ob_engine *watched(uint64_t stall_ns) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts opts = watch_opts(stall_ns);
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  return engine;
}

static inline void await_found(int count) {
  while (__atomic_load_n(&found, __ATOMIC_ACQUIRE) < count) test_sleep_ms(1);
}

static inline ob_health health_of(ob_engine *engine) {
  ob_health health = OB_HEALTH_INIT;
  CHECK_EQ(ob_engine_health(engine, &health), OB_OK);
  return health;
}

/* Numbers of our watchdog threads, at most one; 0: none. */
static inline int watchdog_thread(void) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *at;
  int tid = 0;
  while ((at = readdir(tasks)) != NULL) {
    char path[300], name[32] = "";
    FILE *file;
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", at->d_name);
    file = fopen(path, "r");
    if (file == NULL) continue;
    if (fgets(name, sizeof name, file) != NULL &&
        strcmp(name, "ob-watchdog\n") == 0) {
      CHECK_EQ(tid, 0);
      tid = atoi(at->d_name);
    }
    fclose(file);
  }
  closedir(tasks);
  return tid;
}

static inline void await_no_watchdog(void) {
  while (watchdog_thread() != 0) test_sleep_ms(1);
}

/* How often that thread has gone to sleep. */
static inline long sleeps_of(int tid) {
  char path[64], line[200];
  long count = -1;
  FILE *file;
  snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
  file = fopen(path, "r");
  CHECK(file != NULL);
  while (fgets(line, sizeof line, file) != NULL)
    sscanf(line, "voluntary_ctxt_switches: %ld", &count);
  fclose(file);
  CHECK(count >= 0);
  return count;
}

#endif
