// What C++ does not wait for at once: the pool, tickets, promises, posts, and
// engines as owners.
#include <stdexcept>

#include "kit.hpp"

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
