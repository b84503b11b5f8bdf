/* A host in C: dlopen, threads, and nothing else. See host.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

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
