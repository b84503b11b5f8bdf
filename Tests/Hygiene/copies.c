/* Loads shared objects with a copy of Outboard each and looks whether they
 * meet.
 *
 *   copies local|global OBJECT VERSION OBJECT VERSION
 *
 * In the order given. Built with -DWITH_OWN and copy.c the host has a copy,
 * too. Exit status: 0 they are apart and work; 3 they have met (what, on
 * stdout); 1 something else. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copies.h"

#define MOST 3
#define CALLS 2000

static const copy_face *faces[MOST];
static const char *versions[MOST];
static int count;

static void met(const char *what, int one, int other) {
  printf("met: %s of copies %d and %d\n", what, one, other);
  exit(3);
}

static void failed(const char *what, int which, int status) {
  printf("failed: %s of copy %d: %d\n", what, which, status);
  exit(1);
}

static void load(const char *path, const char *version, int flags) {
  void *object = dlopen(path, RTLD_NOW | flags);
  if (object == NULL) {
    printf("failed: %s\n", dlerror());
    exit(1);
  }
  faces[count] = dlsym(object, "copy");
  if (faces[count] == NULL) failed("copy", count, 0);
  versions[count++] = version;
}

static void compare(void) {
  int i, j;
  for (i = 0; i < count; i++)
    if (strcmp(faces[i]->version(), versions[i]) != 0)
      met("the version", i, -1);
  for (i = 0; i < count; i++)
    for (j = 0; j < i; j++) {
      if (faces[i]->start() == faces[j]->start()) met("ob_engine_start", i, j);
      if (faces[i]->shared() == faces[j]->shared()) met("engines", i, j);
    }
}

/* On one copy's loop thread: no other one takes it for its own. */
static int look_around(void *arg) {
  int self = *(const int *)arg, i;
  for (i = 0; i < count; i++)
    if ((faces[i]->current() != NULL) != (i == self)) return 1;
  return 0;
}

static int next_life(void *arg) {
  int self = *(const int *)arg;
  return faces[(self + 1) % count]->life(20);
}

typedef struct worker {
  pthread_t thread;
  int self;
} worker;

static void *work(void *arg) {
  worker *mine = arg;
  int rc = faces[mine->self]->life(CALLS), i;
  if (rc != 0) failed("life", mine->self, rc);
  for (i = 0; i < 20; i++) {
    rc = faces[mine->self]->on_loop(look_around, &mine->self);
    if (rc == 1) met("loop threads", mine->self, -1);
    if (rc != 0) failed("on_loop", mine->self, rc);
    /* From one copy's loop an engine of another is started, called, ended. */
    rc = faces[mine->self]->on_loop(next_life, &mine->self);
    if (rc != 0) failed("a life on another's loop", mine->self, rc);
  }
  return NULL;
}

#ifdef WITH_OWN
extern const copy_face own_copy;
#endif

int main(int words, char **word) {
  worker workers[MOST * 3];
  int flags, i;
  if (words < 4 || words % 2 != 0) return 1;
  flags = strcmp(word[1], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL;
#ifdef WITH_OWN
  faces[0] = &own_copy;
  versions[count++] = WITH_OWN;
#endif
  for (i = 2; i + 1 < words; i += 2) load(word[i], word[i + 1], flags);
  compare();
  for (i = 0; i < count * 3; i++) {
    workers[i].self = i % count;
    if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
      return 1;
  }
  for (i = 0; i < count * 3; i++) pthread_join(workers[i].thread, NULL);
  compare();
  return 0;
}
