// What belongs to the process and to the C++ runtime in it.
#include "../support/manners.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <locale>
#include <new>

#include "host.hpp"

namespace {

void call_some(const callers &both) {
  threads(crowd_size, [&](unsigned thread) {
    for (unsigned i = 0; i < 40; i++) call_in_passing(both, thread + i);
  }).join();
}

// What the C++ runtime keeps for the whole process.
struct runtime {
  std::terminate_handler terminate = std::get_terminate();
  std::new_handler out_of_memory = std::get_new_handler();
  std::string locale = std::locale().name();
  std::ios_base::fmtflags out = std::cout.flags(), err = std::cerr.flags();
  int uncaught = std::uncaught_exceptions();

  void compare() const {
    const runtime now;
    if (terminate != now.terminate)
      caller_wrong("the C++ runtime: another terminate handler");
    if (out_of_memory != now.out_of_memory)
      caller_wrong("the C++ runtime: another new handler");
    if (locale != now.locale)
      caller_wrong("the C++ runtime: locale %s", now.locale.c_str());
    if (out != now.out || err != now.err)
      caller_wrong("the C++ runtime: flags of the standard streams");
    if (uncaught != now.uncaught)
      caller_wrong("the C++ runtime: %d exceptions uncaught", now.uncaught);
  }
};

}  // namespace

// --- untouched --------------------------------------------------------------

void show_untouched() {
  std::signal(SIGUSR2, SIG_IGN);
  setenv("HOSTS_OWN", "yes", 1);
  std::cout << std::hex << std::boolalpha;
  const runtime own;
  char *before = manners_state();
  const std::string text = before;
  const callers both = callers_load();
  threads(crowd_size, [&](unsigned thread) {
    const runtime mine;
    char *state = manners_state();
    for (unsigned i = 0; i < 24; i++) call_in_passing(both, thread + i);
    caller_expire(&both.clock, 1);
    check_same("a calling thread", state, manners_state());
    mine.compare();
  }).join();
  check_same("the process", before, manners_state());
  own.compare();
  std::printf(
      "%ld lines of process state, the terminate and new handlers, locale and "
      "streams of C++: equal before loading and after %u threads made 24 "
      "rounds of calls, and for each thread\n",
      static_cast<long>(std::count(text.begin(), text.end(), '\n')),
      crowd_size);
}

// --- quiet ------------------------------------------------------------------

// Everything that may tempt a plugin to say something; run by ends.py, which
// allows no line but ours.
void run_quietly() {
  const callers both = callers_load();
  {
    storm beside;
    threads busy(crowd_size, [&](unsigned thread) {
      for (unsigned i = 0; i < 40; i++) call_in_passing(both, thread + i);
    });
    caller_errors(&both);
    caller_expire(&both.clock, 10);
    const pid_t child = fork();
    if (child == 0) {
      int32_t code;
      free(caller_call(&both.pricing, "health", "{}", &code));
      free(caller_call(&both.clock, "health", "{}", &code));
      std::exit(0);
    }
    if (waitpid(child, nullptr, 0) != child) std::abort();
  }
  dlclose(both.pricing.image);
  dlclose(both.clock.image);
  if (caller_mistakes() > 0) return;
  std::cout << "ready" << std::endl;
}

// --- descriptors, threads ---------------------------------------------------

void show_descriptors() {
  char *before = manners_descriptors();
  const callers both = callers_load();
  call_some(both);
  char *first = manners_descriptors();
  const std::string text = first;
  check_cloexec(before, first);
  call_some(both);
  call_some(both);
  check_same("descriptors after the crowd came three times, not once", first,
             manners_descriptors());
  manners_free(before);
  std::printf(
      "%ld descriptors, all of the plugins' close-on-exec, the same after "
      "1,280 and after 3,840 calls of %u threads\n",
      static_cast<long>(std::count(text.begin(), text.end(), '\n')),
      crowd_size);
}

void show_threads() {
  char *before = manners_threads();
  const callers both = callers_load();
  call_some(both);
  std::printf(
      "%u threads of the plugins block all that is meant for the process and "
      "no fault; none ran in a second of idleness\n",
      check_threads(before, 2));
  manners_free(before);
}

// --- symbols ----------------------------------------------------------------

namespace {

void show_symbols(int flags) {
  callers both;
  both.pricing = caller_open(getenv("PRICING"), flags);
  caller_start(&both.pricing, PRICING_CONFIG);
  both.clock = caller_open(getenv("CLOCK"), flags);
  caller_start(&both.clock, CLOCK_CONFIG);
  call_some(both);
  const unsigned names = check_hidden(&both.pricing);
  check_hidden(&both.clock);
  check_visible(flags);
  std::printf(
      "%u names looked for, 18 decoys of the host's never called; %s visible "
      "with RTLD_%s\n",
      names,
      flags == RTLD_GLOBAL ? MCP_PLUGIN_SYMBOL " is all that is" : "nothing is",
      flags == RTLD_GLOBAL ? "GLOBAL" : "LOCAL");
}

}  // namespace

void show_symbols_local() {
  show_symbols(RTLD_LOCAL);
}

void show_symbols_global() {
  show_symbols(RTLD_GLOBAL);
}
