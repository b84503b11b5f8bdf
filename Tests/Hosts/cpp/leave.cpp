// The end of the process with calls in flight. Their arguments lie in memory
// that a static object's destructor poisons, and another static object calls
// once more in its destructor.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>

#include "host.hpp"
#include "poison.hpp"

namespace {

std::atomic<bool> leaving{false};
callers both;
std::array<std::atomic<pid_t>, crowd_size> inside;  // the threads in calls

// Complete before any plugin is loaded, and so destroyed after the engines have
// halted, in the order: last_call, arguments.
poisoned_page arguments;

// Calls when the engines have halted: an error at once, never a hang.
struct calls_in_destructor {
  const char *price = nullptr, *wait = nullptr;
  ~calls_in_destructor() {
    if (price == nullptr) return;
    call(both.pricing, "get_product_price", price);
    call(both.clock, "wait_both", wait);
  }
  static void call(const caller &plugin, const char *tool, const char *args) {
    int32_t code = 0;
    char *text = caller_call(&plugin, tool, args, &code);
    if (code != 1 || std::strstr(text, "\"error\":") == nullptr)
      caller_wrong("in a static destructor: %d %s", code, text);
    free(text);
  }
} last_call;

// Threads that are in a call when the process ends, and come back from it, if
// at all, with an error. Then nothing of the host's is there any more.
void stay(unsigned thread) {
  const caller &plugin = thread % 2 == 0 ? both.clock : both.pricing;
  const char *tool = thread % 2 == 0 ? "wait_both" : "get_product_price";
  const char *args =
      arguments.put(thread % 2 == 0 ? R"({"first_ms":1,"second_ms":50000})"
                                    : R"({"product_id":1})");
  int32_t code = 0;
  inside[thread] = static_cast<pid_t>(syscall(SYS_gettid));
  char *text = caller_call(&plugin, tool, args, &code);
  if (!leaving) caller_wrong("%s came back: %d %s", tool, code, text);
  free(text);
  for (;;) pause();
}

bool sleeps(pid_t thread) {
  std::ifstream stat("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line;
  std::getline(stat, line);
  const size_t at = line.rfind(") ");
  return at != std::string::npos && line.compare(at + 2, 1, "S") == 0;
}

// Those of pricing: its health would have to wait for the database as well.
void await_asleep() {
  for (unsigned thread = 1; thread < crowd_size; thread += 2)
    for (unsigned seen = 0; seen < 3;) {
      seen = inside[thread] != 0 && sleeps(inside[thread]) ? seen + 1 : 0;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

// Half of the calls wait for timers, half for a database that is locked.
void get_busy() {
  static const std::string path = std::string(getenv("HOME")) + "/exit.db";
  static const std::string config =
      R"({"database_url":"sqlite:)" + path + R"(","timeout_seconds":60})";
  both.pricing = caller_load(getenv("PRICING"), config.c_str());
  both.clock = caller_load(getenv("CLOCK"), CLOCK_CONFIG);
  caller_price(&both.pricing, 0);
  caller_lock(path.c_str());
  const long before = caller_submitted(&both.clock);
  for (unsigned i = 0; i < crowd_size; i++) std::thread(stay, i).detach();
  await_submitted(&both.clock, before, crowd_size / 2);
  await_asleep();
  last_call.price = arguments.put(R"({"product_id":2})");
  last_call.wait = arguments.put(R"({"first_ms":1,"second_ms":2})");
  std::puts("ready");
  std::fflush(stdout);
  leaving = true;
}

}  // namespace

void leave_by_exit() {
  get_busy();
  std::exit(7);
}

void leave_by_thread() {
  get_busy();
  std::thread([] { std::exit(7); }).join();
}

// main returns 7.
void leave_by_return() {
  get_busy();
}

// exit in a destructor, while an exception is on its way. gcc must not see that
// the destructor does not return: it drops the handler then, and with none to
// be found nothing is unwound.
void leave_in_unwinding() {
  static void (*volatile leave)(int) = std::exit;
  struct exits {
    ~exits() { leave(7); }
  };
  get_busy();
  try {
    const exits guard;
    throw std::runtime_error("is overtaken by exit");
  } catch (const std::exception &) {
    caller_wrong("exit came back");
  }
}

// Nobody catches it; the host's terminate handler has the last word.
void leave_uncaught() {
  std::set_terminate([] { std::_Exit(7); });
  get_busy();
  throw std::runtime_error("that nobody catches");
}

void leave_quickly() {
  static std::atomic<bool> called{false};
  std::at_quick_exit([] { std::_Exit(called ? 7 : 8); });
  std::at_quick_exit([] { called = true; });
  get_busy();
  std::quick_exit(9);
}
