// Answers, the host's own loop, deadlines.
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <future>
#include <mutex>
#include <utility>

#include "host.hpp"

using namespace std::chrono_literals;

// --- answers ----------------------------------------------------------------

namespace {

constexpr unsigned each = 300;
std::atomic<unsigned> last_calls;

// Destroyed when its thread ends, after the plugins' own thread-locals or
// before them: calls must be answered either way.
struct calls_at_thread_end {
  const callers *both = nullptr;
  ~calls_at_thread_end() {
    if (both == nullptr) return;
    callers_mixed(both, 16);
    last_calls++;
  }
};
thread_local calls_at_thread_end at_thread_end;

}  // namespace

void show_answers() {
  const callers both = callers_load();
  const int64_t begin = caller_now_ms();
  storm beside;
  threads(crowd_size, [&](unsigned thread) {
    at_thread_end.both = &both;
    for (unsigned i = 0; i < each && caller_mistakes() < 10; i++)
      call_in_passing(both, thread * 7 + i);
  }).join();
  if (last_calls != crowd_size)
    caller_wrong("%u threads called at their end", last_calls.load());
  std::printf(
      "%u threads, %u rounds of calls, a quarter each: plain, in destructors "
      "while an exception passes, in handlers, with errors that are thrown; "
      "%lu exceptions beside them; the last of each thread in a destructor of "
      "its thread's; in %ld ms\n",
      crowd_size, crowd_size * each, beside.thrown(),
      static_cast<long>(caller_now_ms() - begin));
}

// --- loop -------------------------------------------------------------------

namespace {

// Tasks one after the other on the thread that runs it, each when it is due. A
// task that throws ends that task alone.
class event_loop {
 public:
  using clock = std::chrono::steady_clock;

  void post(std::function<void()> task) {
    const std::lock_guard<std::mutex> hold(mutex_);
    ready_.push_back(std::move(task));
    changed_.notify_one();
  }
  // One timer at a time is enough here.
  void after(clock::duration time, std::function<void()> task) {
    const std::lock_guard<std::mutex> hold(mutex_);
    due_ = clock::now() + time;
    timer_ = std::move(task);
    changed_.notify_one();
  }
  void stop() {
    post([this] { over_ = true; });
  }
  void run() {
    while (!over_) {
      const std::function<void()> task = next();
      try {
        task();
      } catch (const std::domain_error &) {
        thrown_++;
      }
    }
  }
  unsigned thrown() const { return thrown_; }

 private:
  std::function<void()> next() {
    std::unique_lock<std::mutex> hold(mutex_);
    for (;;) {
      if (timer_ && clock::now() >= due_) return std::exchange(timer_, nullptr);
      if (!ready_.empty()) {
        auto task = std::move(ready_.front());
        ready_.pop_front();
        return task;
      }
      if (timer_)
        changed_.wait_until(hold, due_);
      else
        changed_.wait(hold);
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> ready_;  // mutex_
  std::function<void()> timer_;              // mutex_
  clock::time_point due_;                    // mutex_
  bool over_ = false;                        // the loop's thread
  unsigned thrown_ = 0;                      // the loop's thread
};

constexpr unsigned wait_ms = 2000;
constexpr unsigned least_ticks = 20;  // of 1,000 that there is time for

// A turn of the loop: a timer, an echo of a peer's, a call of each plugin, and
// a task that throws.
struct ticker {
  const callers &both;
  event_loop &loop, &peer;
  std::atomic<unsigned> ticks{0};

  void tick() {
    loop.after(2ms, [this] {
      peer.post([this] { loop.post([this] { echoed(); }); });
    });
  }
  void echoed() {
    caller_price(&both.pricing, ticks);
    if (caller_submitted(&both.clock) < 0) caller_wrong("clock is unhealthy");
    ticks++;
    tick();
    throw std::domain_error("for the loop to catch");
  }
};

}  // namespace

void show_loop() {
  const callers both = callers_load();
  event_loop loop, peer;
  ticker ticker{both, loop, peer};
  std::atomic<unsigned> answered{0};
  gathering all(crowd_size, ticker.ticks);
  std::vector<std::future<void>> waiting;
  std::thread peer_thread([&] { peer.run(); });
  std::thread loop_thread([&] { loop.run(); });
  loop.post([&] { ticker.tick(); });
  // The first answer judges the loop: were it held up, it would be for long.
  for (unsigned i = 0; i < crowd_size; i++)
    waiting.push_back(std::async(std::launch::async, [&, i] {
      all.arrive();
      caller_wait(&both.clock, wait_ms, wait_ms - i);
      if (answered++ > 0 || all.ticks() >= least_ticks) return;
      std::fprintf(stderr,
                   "the host's loop ticked %u times while tools waited %u ms\n",
                   all.ticks(), wait_ms);
      _exit(1);
    }));
  for (auto &one : waiting) one.get();
  loop.stop();
  loop_thread.join();
  peer.stop();
  peer_thread.join();
  if (loop.thrown() < least_ticks) caller_wrong("the loop caught nothing");
  std::printf(
      "the host's task loop ticked %u times, with an echo, a call of each "
      "plugin and an exception at each tick, while %u std::async tasks waited "
      "%u ms in tools\n",
      ticker.ticks.load(), crowd_size, wait_ms);
}

// --- deadlines --------------------------------------------------------------

void show_deadlines() {
  constexpr unsigned expiries = 10;
  const callers both = callers_load();
  std::atomic<unsigned> ending{crowd_size / 2}, others{0};
  {
    storm beside;
    threads(crowd_size, [&](unsigned thread) {
      if (thread >= crowd_size / 2) {
        for (unsigned i = 0; ending != 0; i++, others++)
          call_in_passing(both, thread + i);
        return;
      }
      for (unsigned i = 0; i < expiries && caller_mistakes() == 0; i++) {
        caller_expire(&both.clock, 20 + thread);
        try {
          call_tool(both.clock, "wait_both",
                    R"({"first_ms":1,"second_ms":9000,"timeout_ms":3})");
          caller_wrong("a wait of 9 s did not expire");
        } catch (const tool_error &error) {
          if (std::string(error.what()).find("deadline expired") ==
              std::string::npos)
            caller_wrong("at the deadline: %s", error.what());
        }
      }
      ending--;
    }).join();
  }
  if (others < crowd_size / 2)
    caller_wrong("only %u calls went on", others.load());
  check_database_deadline(getenv("PRICING_COPY"));
  std::printf(
      "%u waits of 3 s ended at 20 to 27 ms, as many of 9 s at 3 ms by an "
      "exception of the host's, while %u rounds of other calls were answered; "
      "16 calls of a locked database at 2 s\n",
      crowd_size / 2 * expiries, others.load());
}
