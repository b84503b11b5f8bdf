/* A host with several plugins at once. See guests.h. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "guests.h"

static void symbols_local(void) {
  show_symbols_of_all(RTLD_LOCAL);
}
static void symbols_global(void) {
  show_symbols_of_all(RTLD_GLOBAL);
}
static void loop(void) {
  beside_second(show_loop);
}
static void handler(void) {
  beside_second(show_handler);
}
static void read_signalfd(void) {
  beside_second(show_signalfd);
}
static void fault(void) {
  beside_second(show_fault);
}
static void exit_main(void) {
  leave_beside_second(leave_by_exit);
}
static void exit_thread(void) {
  leave_beside_second(leave_by_thread);
}
static void exit_return(void) {
  leave_beside_second(leave_by_return);
}

static const struct {
  const char *name;
  void (*run)(void);
} modes[] = {
    {"aliases", show_aliases},
    {"loop", loop},
    {"deadlines", show_deadlines_apart},
    {"untouched", show_untouched_by_all},
    {"quietly", run_all_quietly},
    {"descriptors", show_all_descriptors},
    {"threads", show_all_threads},
    {"symbols-local", symbols_local},
    {"symbols-global", symbols_global},
    {"fork", show_fork_of_all},
    {"unload", show_unload_of_one},
    {"exit", exit_main},
    {"exit-thread", exit_thread},
    {"exit-return", exit_return},
    {"handler", handler},
    {"signalfd", read_signalfd},
    {"fault", fault},
};

static int usage(void) {
  size_t i;
  fputs("usage: several answers [sScC] local|global\n       several MODE:",
        stderr);
  for (i = 0; i < sizeof modes / sizeof *modes; i++)
    fprintf(stderr, " %s", modes[i].name);
  fputs("\n", stderr);
  return 2;
}

static int verdict(int good) {
  if (caller_mistakes() == 0) return good;
  fprintf(stderr, "%u wrong\n", caller_mistakes());
  return 1;
}

int main(int argc, char **argv) {
  size_t i;
  if (argc == 4 && strcmp(argv[1], "answers") == 0) {
    show_answers_of(argv[2],
                    strcmp(argv[3], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL);
    return verdict(0);
  }
  if (argc != 2) return usage();
  for (i = 0; i < sizeof modes / sizeof *modes; i++)
    if (strcmp(modes[i].name, argv[1]) == 0) {
      modes[i].run();
      return verdict(strcmp(argv[1], "exit-return") == 0 ? 7 : 0);
    }
  return usage();
}
