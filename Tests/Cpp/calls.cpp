// Calls from C++: values, exceptions, deadlines, owners, misuse.
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

struct own_exception {
  int number;
};

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

// --- The pool ---

TEST(an_offloaded_callable_and_its_hook) {
  outboard::engine engine;
  auto woken = std::make_shared<gate>();
  gate entered;
  auto ticket = engine.submit_offload([&, woken](outboard::context &now) {
    CHECK(now.on_cancel([woken] {
      CHECK(outboard::engine_ref::current());
      woken->open();
    }));
    CHECK_THROWS(now.on_cancel([] {}), OB_EALREADY, "");
    entered.open();
    woken->await();
    CHECK(now.cancelled());
    CHECK(!now.on_cancel([] { abort(); }));
    return 5;
  });
  entered.await();
  CHECK(ticket.cancel());
  CHECK_EQ(ticket.get(), 5);
  CHECK_THROWS(
      engine.call([](outboard::context &now) { now.on_cancel([] {}); }),
      OB_EINVAL, "offload");
}

// --- Tickets ---

TEST(a_ticket_is_taken_once) {
  outboard::engine engine;
  auto ticket = engine.submit([] { return std::make_unique<int>(3); });
  CHECK(ticket.wait());
  CHECK(ticket.done());
  CHECK(*ticket.get() == 3);
  CHECK_THROWS(ticket.get(), OB_EALREADY, "taken before");
  auto moved = std::move(ticket);
  CHECK_THROWS(ticket.get(), OB_EINVAL, "");
  CHECK_THROWS(ticket.wait(), OB_EINVAL, "");
  CHECK_THROWS(ticket.cancel(), OB_EINVAL, "");
  CHECK(!ticket.done());
  CHECK(moved.done());
  ticket = engine.submit([] { return std::make_unique<int>(4); });
  CHECK(*ticket.get() == 4);
}

TEST(a_ticket_outlives_its_engine) {
  outboard::ticket<tracked> late;
  {
    outboard::engine engine;
    late = engine.submit([] { return tracked(6); });
    CHECK(late.wait());
  }
  CHECK_EQ(late.get().value, 6);
}

TEST(what_is_given_up_is_destroyed) {
  outboard::engine engine;
  for (int i = 0; i < 100; i++) {
    (void)engine.submit([kept = tracked(1)] { return tracked(2); });
    (void)engine.submit_offload([kept = tracked(1)] { return tracked(2); });
    (void)engine.submit([kept = tracked(1)]() -> tracked { throw kept.value; });
  }
  engine.stop(outboard::stop_mode::drain);
  CHECK_EQ(tracked::alive.load(), 0);
}

// --- Answers that come later ---

TEST(a_promise_kept_elsewhere) {
  outboard::engine engine;
  std::thread other;
  gate begun;  // the callable may still run when its promise has been kept
  auto value = engine.call_async<std::unique_ptr<int>>(
      [&](outboard::promise<std::unique_ptr<int>> promise) {
        other = std::thread([mine = std::move(promise), &begun]() mutable {
          begun.await();
          CHECK(!mine.cancelled());
          CHECK(mine.remaining() == std::chrono::nanoseconds::max());
          CHECK(mine.set_value(std::make_unique<int>(8)));
          CHECK(!mine.set_value(nullptr));  // once
          CHECK(mine.cancelled());
        });
        begun.open();
      });
  other.join();
  CHECK(*value == 8);
  engine.call_async<void>([](outboard::promise<void> promise) {
    outboard::promise<void> moved = std::move(promise);
    CHECK_THROWS(promise.set_value(), OB_EINVAL, "moved from");
    CHECK(moved.set_value());
  });
  auto ticket = engine.submit_async<int>([](outboard::promise<int> promise) {
    promise.set_exception(std::make_exception_ptr(own_exception{9}));
  });
  try {
    ticket.get();
    CHECK(false);
  } catch (own_exception &mine) {
    CHECK_EQ(mine.number, 9);
  }
}

TEST(a_promise_that_is_dropped) {
  outboard::engine engine;
  CHECK_THROWS(engine.call_async<int>([](outboard::promise<int>) {}),
               OB_ECANCELED, "dropped without an answer");
  std::thread other;
  CHECK_THROWS(engine.call_async<int>([&](outboard::promise<int> promise) {
    other = std::thread([mine = std::move(promise)] {});
  }),
               OB_ECANCELED, "dropped without an answer");
  other.join();
}

TEST(a_promise_given_away_by_one_who_throws) {
  outboard::engine engine;
  std::unique_ptr<outboard::promise<tracked>> kept;
  bool caught = false;
  try {
    engine.call_async<tracked>([&](outboard::promise<tracked> promise) {
      kept = std::make_unique<outboard::promise<tracked>>(std::move(promise));
      throw own_exception{3};
    });
  } catch (own_exception &) {
    caught = true;
  }
  CHECK(caught);
  CHECK(kept->cancelled());
  CHECK(!kept->set_value(tracked(1)));
  kept.reset();
  CHECK_EQ(tracked::alive.load(), 0);
}

TEST(a_promise_answers_from_its_hook) {
  outboard::engine engine;
  gate entered;
  auto ticket = engine.submit_async<int>([&](outboard::promise<int> promise) {
    auto shared = std::make_shared<outboard::promise<int>>(std::move(promise));
    CHECK(shared->on_cancel(
        [shared, kept = tracked(1)] { CHECK(shared->set_value(12)); }));
    entered.open();
  });
  entered.await();
  CHECK(ticket.cancel());
  CHECK_EQ(ticket.get(), 12);
  ticket = {};
  await_that([] { return tracked::alive == 0; });
  // An answer takes the hook with it, though that holds the promise.
  std::shared_ptr<outboard::promise<int>> held;
  gate held_set;
  auto second = engine.submit_async<int>([&](outboard::promise<int> promise) {
    held = std::make_shared<outboard::promise<int>>(std::move(promise));
    CHECK(held->on_cancel([held, kept = tracked(1)] { abort(); }));
    held_set.open();
  });
  held_set.await();
  CHECK(held->set_value(13));
  held.reset();
  CHECK_EQ(second.get(), 13);
  CHECK_EQ(tracked::alive.load(), 0);
}

TEST(a_late_promise_is_destroyed) {
  std::unique_ptr<outboard::promise<tracked>> kept;
  gate given;
  {
    outboard::engine engine;
    for (auto time = 10ms; !given.is_open; time *= 2)
      CHECK_THROWS(engine.call_async<tracked>(
                       [&](outboard::promise<tracked> promise) {
                         kept = std::make_unique<outboard::promise<tracked>>(
                             std::move(promise));
                         given.open();
                       },
                       time),
                   OB_ETIMEDOUT, "deadline");
    CHECK(kept->cancelled());
    CHECK_EQ(kept->remaining().count(), 0);
    CHECK(!kept->set_value(tracked(1)));
  }
  kept.reset();
  CHECK_EQ(tracked::alive.load(), 0);
}

// --- Posts ---

TEST(posts_run_in_order_or_are_released) {
  std::vector<int> seen;
  {
    outboard::engine engine;
    for (int i = 0; i < 1000; i++)
      engine.post([&seen, i, kept = tracked(1)] { seen.push_back(i); });
    CHECK(engine.try_post([] {}));
    engine.call([] {});
    CHECK_EQ(seen.size(), 1000);
    for (int i = 0; i < 1000; i++) CHECK_EQ(seen[size_t(i)], i);
    gate entered;
    engine.post([&] {
      entered.open();
      std::this_thread::sleep_for(5ms);
    });
    entered.await();
    engine.post([&seen, kept = tracked(1)] { seen.push_back(-1); });
  }
  CHECK_EQ(tracked::alive.load(), 0);
}

TEST(a_full_queue) {
  ob_engine_opts opts = outboard::options();
  opts.queue_limit = 4;
  outboard::engine engine(opts);
  gate entered, leave;
  auto blocker = engine.submit([&] {
    entered.open();
    leave.await();
  });
  entered.await();
  int accepted = 0;
  while (engine.try_post([kept = tracked(1)] {})) accepted++;
  CHECK(accepted > 0 && accepted <= 4);
  CHECK_EQ(tracked::alive.load(), accepted);
  CHECK_THROWS(engine.call([] {}, {1s, "full", true}), OB_EAGAIN, "");
  leave.open();
  blocker.get();
}

// --- Engines ---

TEST(engines_are_moved) {
  outboard::engine one;
  ob_engine *raw = one.native();
  outboard::engine two = std::move(one);
  CHECK(two.native() == raw && !one);
  CHECK_THROWS(one.call([] {}), OB_EINVAL, "");
  CHECK_THROWS(one.post([] {}), OB_EINVAL, "");
  one = std::move(two);
  CHECK_EQ(one.call([] { return 2; }), 2);
  static_assert(!std::is_copy_constructible_v<outboard::engine>);
  static_assert(!std::is_copy_constructible_v<outboard::promise<int>>);
  static_assert(!std::is_copy_constructible_v<outboard::ticket<int>>);
}

TEST(a_start_that_fails) {
  ob_engine_opts opts = outboard::options();
  opts.queue_limit = 0;
  CHECK_THROWS(outboard::engine{opts}, OB_EINVAL, "queue_limit");
}

TEST(an_engine_destroyed_on_its_own_threads) {
  auto *loops = new outboard::engine, *pools = new outboard::engine;
  gate done, pool_done;
  loops->post([&] {
    delete loops;  // does not join itself
    done.open();
  });
  done.await();
  (void)pools->submit_offload([&] {
    delete pools;
    pool_done.open();
  });
  pool_done.await();
}

TEST(a_destructor_does_not_wait_for_ever) {
  static gate leave;
  auto begin = std::chrono::steady_clock::now();
  {
    outboard::engine engine;
    gate entered;
    (void)engine.submit([&] {
      entered.open();
      leave.await();
    });
    entered.await();
  }  // after 5 s the engine is left to itself
  CHECK(std::chrono::steady_clock::now() - begin >= 4s);
  leave.open();
}
