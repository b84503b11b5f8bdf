// Calls from C++ that wait: values, exceptions, deadlines, cancellation.
#include <cmath>
#include <stdexcept>

#include "kit.hpp"

// --- Values ---

TEST(values_of_every_kind) {
  outboard::engine engine;
  int variable = 4;
  CHECK_EQ(engine.call([] { return 3; }), 3);
  CHECK(engine.call([] { return std::string(1000, 'x'); }).size() == 1000);
  CHECK(*engine.call([] { return std::make_unique<int>(5); }) == 5);
  auto bump = [&] { variable++; };
  static_assert(std::is_void_v<decltype(engine.call(bump))>);
  engine.call(bump);
  CHECK_EQ(variable, 5);
  int &reference = engine.call([&]() -> int & { return variable; });
  CHECK(&reference == &variable);
  struct no_default {
    explicit no_default(int v) : value(v) {}
    int value;
  };
  CHECK_EQ(engine.call([] { return no_default(6); }).value, 6);
  CHECK_EQ(engine.call([] { return no_default(7); }, 10s).value, 7);
  CHECK(engine.call([]() -> const std::string { return "c"; }) == "c");
}

TEST(callables_of_every_kind) {
  outboard::engine engine;
  struct fixed {  // neither copied nor moved
    fixed() = default;
    fixed(const fixed &) = delete;
    int operator()() { return 8; }
  } stays;
  auto owned = std::make_unique<int>(9);
  auto moves = [mine = std::move(owned)] { return *mine; };
  const auto constant = [] { return 10; };
  int (*function)() = [] { return 11; };
  CHECK_EQ(engine.call(stays), 8);
  CHECK_THROWS(engine.call(stays, 1s), OB_EINVAL, "nor moved");
  CHECK_EQ(engine.call(moves), 9);
  CHECK_EQ(engine.call(std::move(moves), 10s), 9);
  CHECK_EQ(engine.call(constant), 10);
  CHECK_EQ(engine.call(constant, 10s), 10);
  CHECK_EQ(engine.call(function), 11);
  CHECK_EQ(engine.call(*function, 10s), 11);
  CHECK_EQ(engine.submit(*function).get(), 11);
}

TEST(they_run_on_the_loop) {
  outboard::engine engine;
  ob_engine *raw = engine.native();
  auto here = [] { return outboard::engine_ref::current().native(); };
  CHECK(engine.call(here) == raw);
  CHECK(engine.call(here, 10s) == raw);
  CHECK(engine.submit(here).get() == raw);
  CHECK(engine.offload(here) == nullptr);
  CHECK(engine.call([](outboard::context &c) { return c.engine(); }) == raw);
  CHECK(!outboard::engine_ref::current());
}

TEST(a_call_from_the_loop_runs_inline) {
  outboard::engine engine;
  outboard::engine_ref ref = engine;
  CHECK_EQ(ref.call([=] { return 1 + ref.call([] { return 1; }); }), 2);
  CHECK_EQ(ref.call([=] { return 1 + ref.call([] { return 1; }, 10s); }), 2);
  CHECK_THROWS(ref.call([=] { ref.offload([] {}); }), OB_EDEADLK, "itself");
}

TEST(the_shared_engine) {
  auto one = outboard::engine_ref::shared();
  CHECK(one.native() == outboard::engine_ref::shared().native());
  CHECK_EQ(one.call([] { return 1; }), 1);
}

// --- Exceptions ---

TEST(exceptions_keep_their_type) {
  outboard::engine engine;
  auto boom = [] { throw std::out_of_range("no such pump"); };
  int caught = 0;
  auto expect = [&](auto statement) {
    try {
      statement();
    } catch (const std::out_of_range &error) {
      CHECK(strcmp(error.what(), "no such pump") == 0);
      caught++;
    }
  };
  expect([&] { engine.call(boom); });
  expect([&] { engine.call(boom, 10s); });
  expect([&] { engine.offload(boom); });
  expect([&] { engine.submit(boom).get(); });
  expect([&] { engine.submit_offload(boom).get(); });
  expect(
      [&] { engine.call_async<int>([&](outboard::promise<int>) { boom(); }); });
  CHECK_EQ(caught, 6);
  try {
    engine.call([]() -> int { throw own_exception{7}; });
    CHECK(false);
  } catch (own_exception &mine) {
    CHECK_EQ(mine.number, 7);
  }
  // One that passes two calls.
  outboard::engine_ref ref = engine;
  expect([&] { engine.call([=] { ref.call(boom); }); });
  CHECK_EQ(engine.call([] { return 1; }), 1);
}

TEST(an_exception_when_the_value_is_moved) {
  struct throws_when_moved {
    throws_when_moved() = default;
    throws_when_moved(throws_when_moved &&) {
      throw std::length_error("moved");
    }
  };
  outboard::engine engine;
  bool caught = false;
  try {
    engine.call_async<throws_when_moved>(
        [](outboard::promise<throws_when_moved> promise) {
          promise.set_value(throws_when_moved());
        });
  } catch (const std::length_error &) {
    caught = true;
  }
  CHECK(caught);
}

TEST(a_flood_of_calls_that_throw) {
  outboard::engine engine;
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  const int each = static_cast<int>(test_ops(5000));
  for (int t = 0; t < 8; t++)
    threads.emplace_back([&, t] {
      for (int i = 0; i < each; i++) {
        int tag = t * each + i;
        auto body = [tag]() -> int {
          if (tag & 1) throw own_exception{tag};
          return tag;
        };
        try {
          int got = i % 3 == 0   ? engine.call(body)
                    : i % 3 == 1 ? engine.call(body, 60s)
                                 : engine.submit(body).get();
          if (got == tag && !(tag & 1)) right++;
        } catch (own_exception &mine) {
          if (mine.number == tag && (tag & 1)) right++;
        }
      }
    });
  for (auto &thread : threads) thread.join();
  CHECK_EQ(right.load(), 8 * each);
}

// --- Deadlines and cancellation ---

TEST(durations) {
  using outboard::deadline;
  CHECK(deadline().ns == OB_FOREVER);
  CHECK(deadline(200ms).ns == 200000000);
  CHECK(deadline(1ns).ns == 1);
  CHECK(deadline(1s / 3).ns == 0);  // an integer's third of a second is 0
  CHECK(deadline(0s).ns == 0);
  CHECK(deadline(-1h).ns == 0);
  CHECK(deadline(std::chrono::duration<double>(0.5)).ns == 500000000);
  CHECK(deadline(std::chrono::duration<double>(1e-10)).ns == 1);
  CHECK(deadline(std::chrono::duration<double>(NAN)).ns == 0);
  CHECK(deadline(std::chrono::hours::max()).ns == OB_FOREVER);
  CHECK(deadline(std::chrono::hours::min()).ns == 0);
  CHECK(deadline(24h * 365).ns == UINT64_C(31536000000000000));
}

TEST(an_expired_call_destroys_its_value) {
  gate entered, leave;
  {
    outboard::engine engine;
    // Again with more time where the loop was too late to begin it.
    for (auto time = 20ms; !entered.is_open; time *= 2)
      CHECK_THROWS(engine.call(
                       [&, kept = tracked(1)] {
                         entered.open();
                         leave.await();
                         return tracked(2);
                       },
                       {time, "slow lookup"}),
                   OB_ETIMEDOUT, "slow lookup");
    CHECK(tracked::alive >= 1);  // the callable still runs
    leave.open();
    await_that([] { return tracked::alive == 0; });
    CHECK_THROWS(engine.call([] {}, 0s), OB_ETIMEDOUT, "deadline");
  }
  CHECK_EQ(tracked::alive.load(), 0);
}

TEST(a_callable_sees_its_deadline_and_its_cancel) {
  outboard::engine engine;
  auto left =
      engine.call([](outboard::context &now) { return now.remaining(); }, 60s);
  CHECK(left > 0s && left <= 60s);
  CHECK(engine.call([](outboard::context &now) { return now.remaining(); }) ==
        std::chrono::nanoseconds::max());
  gate entered;
  auto ticket = engine.submit([&](outboard::context &now) {
    entered.open();
    while (!now.cancelled()) std::this_thread::yield();
    return 4;
  });
  entered.await();
  CHECK(!ticket.done());
  CHECK(!ticket.wait(1ms));
  CHECK(ticket.cancel());
  CHECK_EQ(ticket.get(), 4);  // it ran, so its answer counts
}

TEST(queued_work_that_is_cancelled_never_runs) {
  outboard::engine engine;
  gate entered, leave;
  std::atomic<int> runs{0};
  auto blocker = engine.submit([&] {
    entered.open();
    leave.await();
  });
  entered.await();
  auto queued = engine.submit([&, kept = tracked(1)] { runs += kept.value; });
  CHECK(queued.cancel());
  CHECK_THROWS(queued.get(), OB_ECANCELED, "cancelled");
  CHECK(!queued.cancel());  // it has ended
  leave.open();
  blocker.get();
  await_that([] { return tracked::alive == 0; });
  CHECK_EQ(runs.load(), 0);
}

TEST(a_callable_that_never_ran_goes_on_the_loop) {
  outboard::engine engine;
  gate entered, leave, gone;
  struct witness {
    gate *told;
    explicit witness(gate *g) : told(g) {}
    witness(witness &&other) noexcept
        : told(std::exchange(other.told, nullptr)) {}
    ~witness() {
      if (told == nullptr) return;
      CHECK(outboard::engine_ref::current());
      told->open();
    }
  };
  auto blocker = engine.submit([&] {
    entered.open();
    leave.await();
  });
  entered.await();
  auto queued = engine.submit([kept = witness(&gone)] {});
  CHECK(queued.cancel());
  leave.open();
  gone.await();  // while the ticket is still held
  blocker.get();
}

TEST(a_stop_is_seen_and_refuses) {
  outboard::engine engine;
  gate entered;
  outboard::engine_ref ref = engine;
  std::thread host([&] {
    ref.call([&](outboard::context &now) {
      entered.open();
      while (!now.cancelled()) std::this_thread::yield();
    });
  });
  entered.await();
  CHECK_THROWS(ref.stop(static_cast<outboard::stop_mode>(7)), OB_EINVAL, "7");
  engine.stop(outboard::stop_mode::cancel, 60s);
  host.join();
  CHECK_THROWS(engine.call([] {}), OB_ESHUTDOWN, "stop");
  CHECK_THROWS(engine.call([kept = tracked(1)] {}, 1s), OB_ESHUTDOWN, "stop");
  CHECK_THROWS(engine.submit([kept = tracked(1)] {}), OB_ESHUTDOWN, "stop");
  CHECK_THROWS(engine.post([kept = tracked(1)] {}), OB_ESHUTDOWN, "stop");
  CHECK_EQ(tracked::alive.load(), 0);
}
