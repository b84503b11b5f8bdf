/* See crowd.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "crowd.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct member {
  pthread_t thread;
  crowd_body body;
  void *arg;
  unsigned number;
};
struct crowd {
  unsigned size;
  struct member members[];
};

static void *member_main(void *arg) {
  struct member *member = arg;
  member->body(member->arg, member->number);
  return NULL;
}

struct crowd *crowd_begin(unsigned threads, crowd_body body, void *arg) {
  struct crowd *crowd = malloc(sizeof *crowd + threads * sizeof(struct member));
  unsigned i;
  if (crowd == NULL) abort();
  crowd->size = threads;
  for (i = 0; i < threads; i++) {
    struct member *member = &crowd->members[i];
    member->body = body;
    member->arg = arg;
    member->number = i;
    if (pthread_create(&member->thread, NULL, member_main, member) != 0)
      abort();
  }
  return crowd;
}

void crowd_end(struct crowd *crowd) {
  unsigned i;
  for (i = 0; i < crowd->size; i++)
    pthread_join(crowd->members[i].thread, NULL);
  free(crowd);
}

void crowd(unsigned threads, crowd_body body, void *arg) {
  crowd_end(crowd_begin(threads, body, arg));
}

void await_submitted(const struct caller *clock, int64_t before,
                     unsigned waits) {
  unsigned looks = 0;
  /* Each look is a call too. */
  while (caller_submitted(clock) - before < (int64_t)waits + ++looks)
    usleep(1000);
}
