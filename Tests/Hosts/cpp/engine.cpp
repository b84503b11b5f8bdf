// A host in C++17 with an engine of its own, by outboard.hpp, beside the two in
// the plugins: three libuv loops in a process that exports the names of all of
// its own (-rdynamic). See engine_modes below.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <outboard.hpp>

#include "host.hpp"
#include "poison.hpp"

using namespace std::chrono_literals;

namespace {

// --- Exceptions out of jobs --------------------------------------------------

class no_product : public std::out_of_range {
 public:
  explicit no_product(unsigned id)
      : std::out_of_range("no product " + std::to_string(id)), id(id) {}
  const unsigned id;
};

// For run.sh, which wants to see that this is noticed.
const bool swallow = getenv("SWALLOW") != nullptr;

void fail(unsigned id) {
  if (!swallow || id % 50 != 7) throw no_product(id);
}

// Each way of handing a job in, with a tool called in those that may block.
void hand_in(const outboard::engine_ref &engine, const callers &both,
             unsigned id) {
  switch (id % 5) {
    case 0:
      return engine.call([&] { fail(id); });
    case 1:
      return engine.call([id] { fail(id); }, 60s);
    case 2:
      return engine.offload([&both, id] {
        call_in_passing(both, id);
        fail(id);
      });
    case 3:
      return engine
          .submit_offload([&both, id] {
            call_in_passing(both, id);
            fail(id);
          })
          .get();
    default:
      return engine.call_async<void>([id](outboard::promise<void> answer) {
        try {
          fail(id);
          answer.set_value();
        } catch (...) {
          answer.set_exception(std::current_exception());
        }
      });
  }
}

void expect_exception(const outboard::engine_ref &engine, const callers &both,
                      unsigned id) {
  try {
    hand_in(engine, both, id);
    caller_wrong("job %u: no exception came", id);
  } catch (const no_product &error) {
    if (error.id != id || error.what() != "no product " + std::to_string(id))
      caller_wrong("job %u: the exception of %u came", id, error.id);
  } catch (const std::exception &error) {
    caller_wrong("job %u: %s", id, error.what());
  }
}

void show_exceptions() {
  constexpr unsigned jobs = 200;
  const callers both = callers_load();
  outboard::engine engine;
  threads(crowd_size, [&](unsigned thread) {
    for (unsigned i = 0; i < jobs && caller_mistakes() < 10; i++)
      expect_exception(engine, both, thread * jobs + i);
  }).join();
  engine.stop();
  std::printf(
      "an engine of the host's beside: %u jobs of %u threads, in five ways, "
      "each of which threw: every exception reached its caller, and the tools "
      "called in the jobs answered\n",
      crowd_size * jobs, crowd_size);
}

// --- The host's loop ---------------------------------------------------------

// Posts itself again, as a host that is written around the engine does.
struct ticker {
  outboard::engine &engine;
  const callers &both;
  std::atomic<unsigned> ticks{0};
  std::atomic<bool> over{false};

  void tick() {
    caller_price(&both.pricing, ticks);
    caller_wait(&both.clock, 0, 1);
    ticks++;
    if (!over) engine.post([this] { tick(); });
  }
};

void show_engine_loop() {
  constexpr unsigned wait_ms = 2000, least_ticks = 20;
  const callers both = callers_load();
  ob_engine_opts opts = outboard::options();
  opts.offload_threads = crowd_size;
  opts.offload_hard_limit = crowd_size;
  outboard::engine engine(opts);
  ticker ticker{engine, both};
  std::atomic<unsigned> answered{0};
  gathering all(crowd_size, ticker.ticks);
  engine.post([&] { ticker.tick(); });
  threads(crowd_size, [&](unsigned thread) {
    engine.offload([&] {
      all.arrive();
      caller_wait(&both.clock, wait_ms, wait_ms - thread);
    });
    if (answered++ > 0 || all.ticks() >= least_ticks) return;
    std::fprintf(stderr,
                 "the host's loop ticked %u times while tools waited %u ms\n",
                 all.ticks(), wait_ms);
    _exit(1);
  }).join();
  ticker.over = true;
  engine.stop(outboard::stop_mode::drain);
  std::printf(
      "an engine of the host's as its loop: %u ticks, with a call of each "
      "plugin on the loop's thread, while %u jobs of its pool waited %u ms in "
      "tools\n",
      ticker.ticks.load(), crowd_size, wait_ms);
}

// --- fork --------------------------------------------------------------------

[[noreturn]] void in_child(const outboard::engine_ref &engine,
                           const callers &both) {
  int32_t code = 0;
  try {
    engine.call([] {});
    caller_wrong("the parent's engine answered in a child");
  } catch (const outboard::error &error) {
    if (error.code() != OB_EFORKED)
      caller_wrong("in a child: %s", error.what());
  }
  char *text = caller_call(&both.pricing, "get_product_price", "{}", &code);
  if (code != 1 || std::strstr(text, "parent process") == nullptr)
    caller_wrong("pricing in a child: %d %s", code, text);
  free(text);
  outboard::engine own;
  try {
    own.call([] { throw no_product(4); });
    caller_wrong("a child's engine lost an exception");
  } catch (const no_product &error) {
    if (error.id != 4) caller_wrong("product %u", error.id);
  }
  std::exit(caller_mistakes() == 0 ? 40 : 1);
}

void show_engine_fork() {
  constexpr unsigned forks = 60;
  const callers both = callers_load();
  outboard::engine engine;
  std::atomic<bool> over{false};
  threads busy(crowd_size, [&](unsigned thread) {
    for (unsigned i = 0; !over; i++)
      expect_exception(engine, both, thread * 1000 + i);
  });
  for (unsigned i = 0; i < forks && caller_mistakes() == 0; i++) {
    int status = 0;
    const pid_t child = fork();
    if (child == 0) in_child(engine, both);
    if (await_child(child, 30, &status) != child || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 40)
      caller_wrong("child %u ended with %#x", i, status);
  }
  over = true;
  if (caller_mistakes() > 0) _exit(1);
  busy.join();
  std::printf(
      "an engine of the host's beside: %u forks with %u threads in jobs that "
      "throw; each child got OB_EFORKED as an exception, started an engine of "
      "its own, and an exception came out of that\n",
      forks, crowd_size);
}

// --- exit --------------------------------------------------------------------

poisoned_page early;  // complete before the first engine
std::atomic<bool> leaving{false};

// Right, or, once the engines halt, an error.
void call_price(const callers &both) {
  int32_t code = 0;
  char *text = caller_call(&both.pricing, "get_product_price",
                           R"({"product_id":1})", &code);
  if (code != 0 && !leaving) caller_wrong("pricing said %d %s", code, text);
  free(text);
}

// Jobs that touch the page on the loop and in the pool, in threads that hand in
// more until they are refused.
void storm_page(outboard::engine &engine, const callers &both,
                poisoned_page &page) {
  static std::atomic<unsigned> ran{0};
  for (unsigned i = 0; i < crowd_size; i++)
    std::thread([&engine, &both, &page, i] {
      try {
        for (unsigned n = i;; n++) {
          engine.post([&page] {
            page.touch();
            ran++;
          });
          engine.call([&page] { page.touch(); });
          if (n % 8 == 0) call_price(both);
        }
      } catch (const outboard::error &) {
        // It has halted.
      }
      for (;;) pause();
    }).detach();
  while (ran < 1000) std::this_thread::sleep_for(1ms);
  std::puts("ready");
  std::fflush(stdout);
}

void leave_engine() {
  static callers both = callers_load();
  // Not a static engine, which its destructor would stop: threads call it.
  static auto *engine = new outboard::engine;
  storm_page(*engine, both, early);
  leaving = true;
  std::exit(7);
}

// Misuse, and the proof that the page is watched: it is made after the first
// engine, and so destroyed before the engines halt.
void leave_late() {
  static callers both = callers_load();
  static auto *engine = new outboard::engine;
  static poisoned_page late;
  storm_page(*engine, both, late);
  leaving = true;
  std::exit(7);
}

const std::map<std::string, void (*)()> engine_modes = {
    {"exceptions", show_exceptions}, {"loop", show_engine_loop},
    {"fork", show_engine_fork},      {"exit", leave_engine},
    {"exit-late", leave_late},
};

}  // namespace

int main(int argc, char **argv) {
  const auto mode = engine_modes.find(argc == 2 ? argv[1] : "");
  if (mode == engine_modes.end()) {
    std::fputs("usage: cpp-engine MODE, with $PRICING and $CLOCK; modes:",
               stderr);
    for (const auto &one : engine_modes)
      std::fprintf(stderr, " %s", one.first.c_str());
    std::fputs("\n", stderr);
    return 2;
  }
  mode->second();
  if (caller_mistakes() == 0) return 0;
  std::fprintf(stderr, "%u wrong\n", caller_mistakes());
  return 1;
}
