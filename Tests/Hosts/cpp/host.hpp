// The C++17 host: what its files share. Each mode of the program shows one
// promise and prints one line about it, or what was wrong. Exceptions are
// thrown and caught all the time, around the calls and beside them.
#ifndef CPP_HOST_HPP
#define CPP_HOST_HPP

#include <pthread.h>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../support/caller.h"
#include "../support/checks.h"
#include "../support/crowd.h"

constexpr unsigned crowd_size = 16;

// A tool's error, as this host has it.
class tool_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A tool's answer.
//
// Throws tool_error with the body when the code is not 0.
std::string call_tool(const caller &plugin, const char *tool,
                      const std::string &args);

// Threads that run body(0), body(1), ... and are joined in the destructor. What
// a body throws counts as wrong.
class threads {
 public:
  threads(unsigned count, const std::function<void(unsigned)> &body);
  ~threads() { join(); }
  void join();

 private:
  std::vector<std::thread> threads_;
};

// Threads that throw through many frames and catch, until the destructor: the
// unwinder walks all images that are loaded meanwhile.
class storm {
 public:
  storm();
  ~storm();
  // Exceptions so far.
  unsigned long thrown() const { return thrown_; }

 private:
  std::atomic<bool> over_{false};
  std::atomic<unsigned long> thrown_{0};
  threads threads_;
};

// Threads that begin at once, and the ticks of a loop from then on: those while
// the threads come, on a slow machine many, do not count.
class gathering {
 public:
  gathering(unsigned count, const std::atomic<unsigned> &ticks)
      : ticks_(ticks) {
    pthread_barrier_init(&gate_, nullptr, count);
  }
  ~gathering() { pthread_barrier_destroy(&gate_); }
  void arrive() {
    if (pthread_barrier_wait(&gate_) == PTHREAD_BARRIER_SERIAL_THREAD)
      before_ = ticks_.load();
  }
  unsigned ticks() const { return ticks_ - before_; }

 private:
  pthread_barrier_t gate_;
  const std::atomic<unsigned> &ticks_;
  std::atomic<unsigned> before_{0};
};

// Call number i of a thread, in one of four ways: plainly, in a destructor
// while an exception passes, in a handler that throws on, and with an error
// that becomes an exception. Compares the answers, and the exceptions.
void call_in_passing(const callers &both, unsigned i);

// The modes. calls.cpp
void show_answers();
void show_loop();
void show_deadlines();
// manners.cpp
void show_untouched();
void run_quietly();
void show_descriptors();
void show_threads();
void show_symbols_local();
void show_symbols_global();
// life.cpp
void show_fork();
void show_unload();
// leave.cpp
void leave_by_exit();
void leave_by_thread();
void leave_by_return();
void leave_in_unwinding();
void leave_uncaught();
void leave_quickly();
// signals.cpp
void show_handler();
void show_sigwait();
void show_fault();

#endif
