// pthread_cancel of C++ callers: it takes effect after the call, unwinds their
// objects, and nothing of Outboard's swallows it.
#include "kit.hpp"

namespace {

struct caller {
  outboard::engine_ref engine;
  int form = 0;
  std::atomic<bool> entered{false};
  std::atomic<bool> leave{false};
  std::atomic<bool> returned{false}; /* the call came back first */
  std::atomic<bool> seen{false};     /* by a catch that throws it on */
};

// The objects on the thread's stack go.
struct on_stack {
  tracked one{1};
};

void block(caller &self) {
  auto body = [&self] {
    self.entered = true;
    while (!self.leave) std::this_thread::yield();
    return 7;
  };
  int got = 0;
  switch (self.form) {
    case 0:
      got = self.engine.call(body);
      break;
    case 1:
      got = self.engine.call(body, 60s);
      break;
    case 2:
      got = self.engine.offload(body);
      break;
    default:
      got = self.engine.submit(body).get();
      break;
  }
  if (got == 7) self.returned = true;
}

void *run(void *arg) {
  auto &self = *static_cast<caller *>(arg);
  on_stack object;
  try {
    block(self);
    for (;;) pthread_testcancel();
  } catch (...) {
    self.seen = true;
    throw;
  }
}

}  // namespace

TEST(cancel_takes_effect_after_the_call) {
  outboard::engine engine;
  const int rounds = static_cast<int>(test_ops(10000));
  for (int i = 0; i < rounds; i++) {
    caller self;
    void *result = nullptr;
    self.engine = engine;
    self.form = i % 4;
    pthread_t thread = test_thread(run, &self);
    while (!self.entered) std::this_thread::yield();
    CHECK(pthread_cancel(thread) == 0);
    CHECK(!self.seen);
    self.leave = true;
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK(self.returned && self.seen);
    CHECK_EQ(tracked::alive.load(), 0);
  }
  CHECK_EQ(engine.call([] { return 1; }), 1);
}
