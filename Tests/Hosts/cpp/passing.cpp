// Calls among exceptions, and the host's threads.
#include <chrono>
#include <exception>

#include "host.hpp"

std::string call_tool(const caller &plugin, const char *tool,
                      const std::string &args) {
  int32_t code = 0;
  char *text = caller_call(&plugin, tool, args.c_str(), &code);
  std::string answer = text;
  free(text);
  if (code != 0) throw tool_error(answer);
  return answer;
}

// --- Threads ----------------------------------------------------------------

threads::threads(unsigned count, const std::function<void(unsigned)> &body) {
  for (unsigned i = 0; i < count; i++)
    threads_.emplace_back([body, i] {
      try {
        body(i);
      } catch (const std::exception &error) {
        caller_wrong("a thread threw %s", error.what());
      }
    });
}

void threads::join() {
  for (auto &thread : threads_)
    if (thread.joinable()) thread.join();
}

// --- Exceptions -------------------------------------------------------------

namespace {

class numbered : public std::runtime_error {
 public:
  explicit numbered(unsigned number)
      : std::runtime_error(std::to_string(number)), number(number) {}
  const unsigned number;
};

// Counts the frames that are left by an exception.
struct frame {
  unsigned &left;
  ~frame() { left++; }
};

void throw_through(unsigned frames, unsigned number, unsigned &left) {
  const frame counted{left};
  if (frames == 0) throw numbered(number);
  if (frames % 3 != 0) return throw_through(frames - 1, number, left);
  try {
    throw_through(frames - 1, number, left);
  } catch (const std::logic_error &) {
    caller_wrong("an exception changed its type");
  } catch (const numbered &) {
    throw;
  }
}

void throw_and_catch(unsigned number) {
  unsigned left = 0;
  std::exception_ptr kept;
  try {
    throw_through(12, number, left);
  } catch (...) {
    kept = std::current_exception();
  }
  try {
    std::rethrow_exception(kept);
  } catch (const numbered &error) {
    if (error.number == number && left == 13) return;
    caller_wrong("exception %u came as %u through %u frames", number,
                 error.number, left);
  }
}

// Calls while the exception that left its block is under way.
struct calls_on_the_way {
  const callers &both;
  unsigned i;
  ~calls_on_the_way() {
    const int before = std::uncaught_exceptions();
    callers_mixed(&both, i);
    if (before == 1 && std::uncaught_exceptions() == 1) return;
    caller_wrong("uncaught exceptions: %d before a call, %d after it", before,
                 std::uncaught_exceptions());
  }
};

void call_unwinding(const callers &both, unsigned i) {
  try {
    const calls_on_the_way guard{both, i};
    throw numbered(i);
  } catch (const numbered &error) {
    if (error.number != i) caller_wrong("exception %u is another's", i);
  }
}

void call_handling(const callers &both, unsigned i) {
  try {
    try {
      throw numbered(i);
    } catch (const numbered &) {
      const std::exception_ptr before = std::current_exception();
      callers_mixed(&both, i);
      if (std::current_exception() != before)
        caller_wrong("a call changed the exception that is handled");
      throw;
    }
  } catch (const numbered &error) {
    if (error.number != i) caller_wrong("exception %u is another's", i);
  }
}

void call_failing(const callers &both, unsigned i) {
  const std::string id = std::to_string(1000 + i);
  try {
    call_tool(both.pricing, "get_product_price", "{\"product_id\":" + id + "}");
    caller_wrong("product %s was found", id.c_str());
  } catch (const tool_error &error) {
    if (error.what() != "{\"error\":\"Product " + id + " not found\"}")
      caller_wrong("product %s: %s", id.c_str(), error.what());
  }
  callers_mixed(&both, i);
}

}  // namespace

void call_in_passing(const callers &both, unsigned i) {
  switch (i % 4) {
    case 0:
      return callers_mixed(&both, i);
    case 1:
      return call_unwinding(both, i);
    case 2:
      return call_handling(both, i);
    default:
      return call_failing(both, i);
  }
}

storm::storm()
    : threads_(4, [this](unsigned thread) {
        for (unsigned i = 0; !over_; i++) {
          throw_and_catch(i * 4 + thread);
          thrown_++;
          // Beside the calls, not instead of them.
          std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
      }) {}

storm::~storm() {
  over_ = true;
}
