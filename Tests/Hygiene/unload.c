/* Closes a shared object with a copy of Outboard that is linked without
 * -z nodelete: while its engine is idle, and while calls are in flight.
 *
 *   unload OBJECT
 *
 * Exit status: 0 it stays mapped, every answer is right, and another dlopen
 * finds the same engine; 3 it is unmapped; 1 something else. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copies.h"

enum { CALLERS = 8, CALLS = 2000 };

static const char *path;
static void *object;
static const copy_face *face;
static int ready, closed; /* calls in flight; the object is closed */

static void failed(const char *what) {
  printf("failed: %s\n", what);
  fflush(stdout);
  _exit(1);
}

static void open_object(void) {
  object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) failed(dlerror());
  face = dlsym(object, "copy");
  if (face == NULL) failed("no copy");
}

/* Looks before any of its code can run. */
static void close_object(void) {
  char line[4096];
  FILE *maps;
  int mapped = 0;
  if (dlclose(object) != 0) failed("dlclose");
  maps = fopen("/proc/self/maps", "re");
  if (maps == NULL) failed("maps");
  while (fgets(line, sizeof line, maps) != NULL)
    mapped |= strstr(line, path) != NULL;
  fclose(maps);
  if (mapped) return;
  printf("unmapped: its threads run what is gone\n");
  fflush(stdout);
  _exit(3);
}

static int number_of(void *arg) {
  return *(const int *)arg;
}

/* Holds the loop until the object is closed, so that all calls wait. */
static int hold(void *arg) {
  __atomic_add_fetch(&ready, 1, __ATOMIC_ACQ_REL);
  while (!__atomic_load_n(&closed, __ATOMIC_ACQUIRE)) usleep(100);
  return *(const int *)arg;
}

static void *call(void *arg) {
  int number = *(const int *)arg, i;
  if (number != 0) __atomic_add_fetch(&ready, 1, __ATOMIC_ACQ_REL);
  if (face->on_loop(number == 0 ? hold : number_of, arg) != number)
    failed("a call in flight");
  for (i = 0; i < CALLS; i++)
    if (face->on_loop(number_of, arg) != number) failed("a call after that");
  return arg;
}

int main(int argc, char **argv) {
  pthread_t threads[CALLERS];
  int numbers[CALLERS], i;
  const copy_face *first;
  void *engine;
  if (argc != 2) return 1;
  path = argv[1];
  open_object();
  first = face;
  engine = face->shared();
  if (engine == NULL) failed("no engine");
  usleep(20000); /* its loop sleeps */
  close_object();
  open_object();
  for (i = 0; i < CALLERS; i++) {
    numbers[i] = i;
    if (pthread_create(&threads[i], NULL, call, &numbers[i]) != 0)
      failed("no thread");
  }
  while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) < CALLERS) usleep(100);
  usleep(20000); /* from there into the queue */
  close_object();
  __atomic_store_n(&closed, 1, __ATOMIC_RELEASE);
  for (i = 0; i < CALLERS; i++) pthread_join(threads[i], NULL);
  open_object();
  if (face != first || face->shared() != engine) failed("another instance");
  if (face->life(CALLS) != 0) failed("a life after that");
  return 0;
}
