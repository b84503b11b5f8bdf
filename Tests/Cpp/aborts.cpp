// Exceptions that nobody can receive end the process, and say why.
#include <unistd.h>

#include <stdexcept>

#include "kit.hpp"

#define CORE "outboard: a C++ exception came out of a handler"

TEST_ABORTS(in_a_post, "a callable given to post threw an exception: boom") {
  outboard::engine engine;
  engine.post([] { throw std::runtime_error("boom"); });
  engine.stop(outboard::stop_mode::drain);
}

TEST_ABORTS(in_a_post_the_cure, "cure: catch it there, or use call or submit") {
  outboard::engine engine;
  engine.post([] { throw std::runtime_error("boom"); });
  engine.stop(outboard::stop_mode::drain);
}

TEST_ABORTS(in_a_post_of_another_type, "threw an object that is no std::exc") {
  outboard::engine engine;
  engine.post([] { throw 1; });
  engine.stop(outboard::stop_mode::drain);
}

TEST_ABORTS(in_a_cancel_hook, "an on_cancel hook threw an exception: boom") {
  outboard::engine engine;
  gate entered;
  auto ticket = engine.submit_async<int>([&](outboard::promise<int> promise) {
    auto kept = std::make_shared<outboard::promise<int>>(std::move(promise));
    kept->on_cancel([kept] { throw std::runtime_error("boom"); });
    entered.open();
  });
  entered.await();
  ticket.cancel();
  ticket.get(20s);
}

// --- The C interface ---

static void throwing(ob_request *request, void *, size_t, void *) {
  if (request != nullptr) throw std::runtime_error("boom");
}
static void throwing_post(void *, int) {
  throw std::runtime_error("boom");
}

static ob_call_opts call_of(ob_handler handler) {
  ob_call_opts opts = OB_CALL_OPTS_INIT;
  opts.handler = handler;
  opts.flags = OB_CALL_SYNC;
  opts.name = "raw lookup";
  return opts;
}

TEST_ABORTS(in_a_raw_handler, CORE) {
  outboard::engine engine;
  ob_call_opts opts = call_of(throwing);
  ob_call(engine.native(), &opts, nullptr);
}

TEST_ABORTS(in_a_raw_handler_the_name, "during the call \"raw lookup\"") {
  outboard::engine engine;
  ob_call_opts opts = call_of(throwing);
  ob_call(engine.native(), &opts, nullptr);
}

// A catch further up must not be reached through the core's frames.
TEST_ABORTS(in_an_inline_handler_with_a_catch_above, CORE) {
  outboard::engine engine;
  outboard::engine_ref ref = engine;
  ref.call([=] {
    try {
      ob_call_opts opts = call_of(throwing);
      ob_call(ref.native(), &opts, nullptr);
    } catch (...) {
      _exit(0);
    }
  });
}

TEST_ABORTS(in_a_raw_post_with_a_catch_above, CORE) {
  outboard::engine engine;
  CHECK_EQ(ob_post(engine.native(), throwing_post, nullptr), OB_OK);
  engine.stop(outboard::stop_mode::drain);
}

static void throwing_destroy(void *, size_t, void *) noexcept(false) {
  throw std::runtime_error("boom");
}

TEST_ABORTS(in_a_destroy_on_the_hosts_thread, CORE) {
  try {
    int data = 0;
    ob_result result = ob_result_own(&data, 1, throwing_destroy, nullptr);
    ob_result_free(&result);
  } catch (...) {
    _exit(0);
  }
}

TEST_ABORTS(in_a_wrapped_handler, "a raw callback threw an exception: boom") {
  outboard::engine engine;
  ob_call_opts opts = call_of(outboard::raw<&throwing>);
  ob_call(engine.native(), &opts, nullptr);
}

static void answering(ob_request *request, void *, size_t, void *) noexcept {
  ob_complete(request, OB_OK, ob_result_none());
}

static void silent(void *, int) {}

TEST(a_wrapped_handler_that_does_not_throw) {
  outboard::engine engine;
  ob_call_opts opts = call_of(outboard::raw<&answering>);
  CHECK_EQ(ob_call(engine.native(), &opts, nullptr), OB_OK);
  CHECK_EQ(ob_post(engine.native(), outboard::raw<&silent>, nullptr), OB_OK);
}

// --- Forced unwinding is no exception of the program's ---

TEST_ABORTS(pthread_exit_in_a_callable, "ended the engine's own thread") {
  outboard::engine engine;
  engine.call([] { pthread_exit(nullptr); });
}
TEST_ABORTS(pthread_exit_in_an_offloaded_one, "ended the engine's own thread") {
  outboard::engine engine;
  engine.offload([] { pthread_exit(nullptr); });
}
TEST_ABORTS(pthread_exit_in_a_post, "ended the engine's own thread") {
  outboard::engine engine;
  engine.post([] { pthread_exit(nullptr); });
  engine.stop(outboard::stop_mode::drain);
}
TEST_ABORTS(pthread_exit_in_a_promise, "ended the engine's own thread") {
  outboard::engine engine;
  engine.call_async<int>([](outboard::promise<int>) { pthread_exit(nullptr); });
}
