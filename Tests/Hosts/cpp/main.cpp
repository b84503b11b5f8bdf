// A host in C++17. See host.hpp.
#include <cstdio>
#include <cstring>
#include <exception>

#include "host.hpp"

namespace {

const struct {
  const char *name;
  void (*run)();
} modes[] = {
    {"answers", show_answers},
    {"loop", show_loop},
    {"deadlines", show_deadlines},
    {"untouched", show_untouched},
    {"quietly", run_quietly},
    {"descriptors", show_descriptors},
    {"threads", show_threads},
    {"symbols-local", show_symbols_local},
    {"symbols-global", show_symbols_global},
    {"fork", show_fork},
    {"unload", show_unload},
    {"exit", leave_by_exit},
    {"exit-thread", leave_by_thread},
    {"exit-return", leave_by_return},
    {"exit-unwinding", leave_in_unwinding},
    {"exit-uncaught", leave_uncaught},
    {"exit-quick", leave_quickly},
    {"handler", show_handler},
    {"sigwait", show_sigwait},
    {"fault", show_fault},
};

int usage() {
  std::fputs("usage: cpp MODE, with $PRICING and $CLOCK; modes:", stderr);
  for (const auto &mode : modes) std::fprintf(stderr, " %s", mode.name);
  std::fputs("\n", stderr);
  return 2;
}

}  // namespace

// Not noexcept, and nothing is caught here: leave_uncaught needs it so.
int main(int argc, char **argv) {
  if (argc != 2) return usage();
  for (const auto &mode : modes) {
    if (std::strcmp(mode.name, argv[1]) != 0) continue;
    mode.run();
    if (caller_mistakes() == 0)
      return std::strcmp(argv[1], "exit-return") == 0 ? 7 : 0;
    std::fprintf(stderr, "%u wrong\n", caller_mistakes());
    return 1;
  }
  return usage();
}
