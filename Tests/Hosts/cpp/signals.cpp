// Signals to a host with calls in flight: its handlers run, on its threads. A
// fault becomes a C++ exception, thrown by the handler (-fnon-call-exceptions).
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "host.hpp"

namespace {

constexpr int64_t patience_ms = 5000;

std::array<std::atomic<pid_t>, crowd_size + 1> ours;  // the host's threads
std::atomic<unsigned> known{0};
std::atomic<pid_t> ran_on{0};  // the thread that the handler ran on

pid_t self() {
  return static_cast<pid_t>(syscall(SYS_gettid));
}

void enlist() {
  ours[known++] = self();
}

bool is_ours(pid_t id) {
  for (const auto &one : ours)
    if (one == id) return true;
  return false;
}

void handle(int number) {
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_handler = [](int) { ran_on = self(); };
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, nullptr);
}

// Threads in calls, each of which throws through them when they are answered.
class calls_in_flight {
 public:
  calls_in_flight()
      : both_(callers_load()),
        before_(caller_submitted(&both_.clock)),
        waiting_(crowd_size, [this](unsigned thread) {
          enlist();
          caller_wait(&both_.clock, 700, 600 + thread);
          for (unsigned i = 0; i < 8; i++) call_in_passing(both_, thread + i);
        }) {
    enlist();
    await_submitted(&both_.clock, before_, crowd_size);
    std::puts("ready");
    std::fflush(stdout);
  }
  void join() { waiting_.join(); }

 private:
  callers both_;
  long before_;
  threads waiting_;
};

void say_handled() {
  if (caller_mistakes() > 0) return;
  std::puts("handled");
  std::fflush(stdout);
}

}  // namespace

// The host's handler, on whichever of the host's threads.
void show_handler() {
  handle(SIGTERM);
  handle(SIGINT);
  calls_in_flight calls;
  const int64_t begun = caller_now_ms();
  while (ran_on == 0 && caller_now_ms() - begun < patience_ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (ran_on == 0)
    caller_wrong("the host's handler did not run");
  else if (!is_ours(ran_on))
    caller_wrong("the host's handler ran on a thread of the plugin's");
  calls.join();
  say_handled();
}

// A host that blocks it in all its threads and waits for it in one.
void show_sigwait() {
  const timespec limit = {patience_ms / 1000, 0};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  handle(SIGTERM);
  handle(SIGINT);
  calls_in_flight calls;
  // Late: until then it is any thread's that has not blocked it.
  calls.join();
  const int number = sigtimedwait(&set, nullptr, &limit);
  if (ran_on != 0)
    caller_wrong("a thread of the plugin's took the signal");
  else if (number != SIGTERM && number != SIGINT)
    caller_wrong("the host never got its signal");
  say_handled();
}

// --- Faults -----------------------------------------------------------------

namespace {

// A store where there is no memory, as an exception.
struct fault {
  const void *address;
};

thread_local bool expected = false;

void throw_fault(int, siginfo_t *info, void *) {
  if (!expected) _exit(70);  // a fault that is none of ours
  throw fault{info->si_addr};
}

void fault_often(volatile int *nowhere) {
  expected = true;
  for (unsigned i = 0; i < 500; i++) try {
      nowhere[i] = 1;
      caller_wrong("a store to a forbidden page went through");
    } catch (const fault &caught) {
      if (caught.address != &nowhere[i])
        caller_wrong(
            "a fault at %p came from %p",
            const_cast<void *>(static_cast<volatile void *>(&nowhere[i])),
            caught.address);
    }
  expected = false;
}

}  // namespace

void show_fault() {
  struct sigaction action;
  void *page =
      mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) std::abort();
  std::memset(&action, 0, sizeof action);
  action.sa_sigaction = throw_fault;
  // An exception does not put the mask back.
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGSEGV, &action, nullptr);
  calls_in_flight calls;
  threads(4, [page](unsigned) {
    fault_often(static_cast<volatile int *>(page));
  }).join();
  calls.join();
  say_handled();
}
