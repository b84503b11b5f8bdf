// fork and dlclose with calls in flight.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>

#include "host.hpp"

// --- fork -------------------------------------------------------------------

namespace {

constexpr unsigned forks = 200;
constexpr int child_status = 40;

// The plugin says that it was forked; here that is an exception.
void must_be_told(const caller &plugin, const char *tool, const char *args) {
  try {
    caller_wrong("in a child: %s", call_tool(plugin, tool, args).c_str());
  } catch (const tool_error &error) {
    if (std::strstr(error.what(), "belongs to the parent process") == nullptr)
      caller_wrong("in a child: %s", error.what());
  }
}

// Ends by std::exit, and so with the destructors of all static objects.
[[noreturn]] void in_child(const void *arg, unsigned number) {
  const callers &both = *static_cast<const callers *>(arg);
  if (number % 3 == 0) std::exit(child_status);  // one that calls nothing
  must_be_told(both.pricing, "get_product_price", R"({"product_id":1})");
  check_stays_told(&both.pricing, PRICING_CONFIG);
  must_be_told(both.clock, "wait_both", R"({"first_ms":1,"second_ms":1})");
  if (number % 3 == 1) {
    uint8_t *why = nullptr;
    size_t size = 0;
    if (both.clock.abi->init(&why, &size) != 0)
      caller_wrong("clock's init in a child: %.*s", static_cast<int>(size),
                   reinterpret_cast<char *>(why));
    caller_wait(&both.clock, 0, 1);
    caller_expire(&both.clock, 2);
  }
  std::exit(caller_mistakes() == 0 ? child_status : 1);
}

}  // namespace

void show_fork() {
  const callers both = callers_load();
  std::atomic<bool> over{false};
  threads busy(crowd_size, [&](unsigned thread) {
    for (unsigned i = 0; !over; i++) call_in_passing(both, thread + i);
  });
  for (unsigned i = 0; i < forks && caller_mistakes() == 0; i++)
    check_fork(in_child, &both, i, child_status);
  over = true;
  if (caller_mistakes() > 0) _exit(1);
  busy.join();
  check_no_children();
  std::printf(
      "%u forks with %u threads in calls among exceptions: each child that "
      "called was told, by an exception of its own, a third started clock "
      "afresh, all ended by std::exit(%d) with their static destructors; the "
      "parent's calls were answered\n",
      forks, crowd_size, child_status);
}

// --- unload -----------------------------------------------------------------

namespace {

constexpr unsigned reopens = 150;

struct closes {
  void operator()(void *image) const {
    if (dlclose(image) != 0) caller_wrong("dlclose: %s", dlerror());
  }
};
using owned_image = std::unique_ptr<void, closes>;

// Loads, calls and unloads, and is left by an exception now and then: the
// images go while it passes.
void open_call_close(unsigned i) {
  const callers own = callers_load();
  const owned_image pricing(own.pricing.image), clock(own.clock.image);
  call_in_passing(own, i);
  if (i % 2 == 0) throw std::range_error("on the way out");
}

}  // namespace

void show_unload() {
  const callers both = callers_load();
  long before = caller_submitted(&both.clock);
  storm beside;
  {
    threads waiting(crowd_size, [&](unsigned thread) {
      if (thread % 2 == 0)
        caller_wait(&both.clock, 300 + thread, 400);
      else
        caller_expire(&both.clock, 400 + thread);
    });
    await_submitted(&both.clock, before, crowd_size);
    const owned_image pricing(both.pricing.image), clock(both.clock.image);
  }
  before = caller_submitted(&both.clock);  // its code is still there
  const callers again = callers_load();
  if (again.pricing.abi != both.pricing.abi ||
      again.clock.abi != both.clock.abi)
    caller_wrong("loaded again it is at another address");
  const long after = caller_submitted(&again.clock);
  if (after != before + 1)
    caller_wrong("loaded again it is another instance: %ld calls, not %ld",
                 after, before + 1);
  check_configure(&again.pricing, PRICING_CONFIG, 0);
  check_configure(&again.pricing, R"({"max_connections":3})", 2);
  check_configure(&again.pricing, R"({"max_connections":)", 1);
  check_configure(&again.clock, CLOCK_CONFIG, 0);
  check_configure(&again.clock, R"({"timeout_ms":7})", 2);
  check_configure(&again.clock, R"({"timeout_ms":0})", 1);
  threads(crowd_size, [](unsigned thread) {
    for (unsigned i = 0; i < reopens; i++) try {
        open_call_close(thread + i);
      } catch (const std::range_error &) {
      }
  }).join();
  callers_mixed(&again, 0);
  std::printf(
      "%u calls answered after dlclose; again: same address, same counters, "
      "configure 0 for the same, 2 for another, 1 for no configuration; %u "
      "threads opened, called and closed %u times each, half of it by an "
      "exception\n",
      crowd_size, crowd_size, reopens);
}
