/* A host in C: dlopen, threads, and nothing else. See host.h. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

/* --- Crowds ----------------------------------------------------------------
 */

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

/* --- Modes -----------------------------------------------------------------
 */

static const struct {
  const char *name;
  void (*run)(void);
} modes[] = {
    {"answers", show_answers},
    {"loop", show_loop},
    {"deadlines", show_deadlines},
    {"untouched", show_untouched},
    {"descriptors", show_descriptors},
    {"threads", show_threads},
    {"symbols-local", show_symbols_local},
    {"symbols-global", show_symbols_global},
    {"quietly", run_quietly},
    {"fork", show_fork},
    {"unload", show_unload},
    {"exit", leave_by_exit},
    {"exit-thread", leave_by_thread},
    {"exit-return", leave_by_return},
    {"handler", show_handler},
    {"signalfd", show_signalfd},
    {"fault", show_fault},
};

static void usage(void) {
  size_t i;
  fputs("usage: plain MODE, with $PRICING and $CLOCK; modes:", stderr);
  for (i = 0; i < sizeof modes / sizeof *modes; i++)
    fprintf(stderr, " %s", modes[i].name);
  fputs("\n", stderr);
}

int main(int argc, char **argv) {
  size_t i;
  if (argc != 2) {
    usage();
    return 2;
  }
  for (i = 0; i < sizeof modes / sizeof *modes; i++)
    if (strcmp(modes[i].name, argv[1]) == 0) {
      modes[i].run();
      if (caller_mistakes() == 0)
        return strcmp(argv[1], "exit-return") == 0 ? 7 : 0;
      fprintf(stderr, "%u wrong\n", caller_mistakes());
      return 1;
    }
  usage();
  return 2;
}
