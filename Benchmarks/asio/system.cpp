// Asio: an io_context run by a thread of its own, asio::post into it, and a
// std::promise for a caller that waits; with USE_FUTURE the same through the
// library's own use_future token.
//
// Fair, because both are the documented ways in, the context is told that one
// thread runs it (concurrency hint 1), and handlers are plain lambdas, whose
// memory Asio recycles.
#include <asio.hpp>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "bench.h"

// With USE_FUTURE some of these stay unused.
#pragma GCC diagnostic ignored "-Wunused-function"

namespace {

using asio::ip::tcp;

struct Subject {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard{
      io.get_executor()};
  std::unique_ptr<asio::thread_pool> pool;  // by the loop, when first needed
  std::vector<asio::steady_timer> timers;
  std::optional<tcp::acceptor> acceptor;
  std::thread thread{[this] { io.run(); }};
};

Subject &subject(void *ctx) {
  return *static_cast<Subject *>(ctx);
}

// Runs work on the executor and waits for its value.
template <class Executor, class Work>
auto ask(Executor &&executor, Work work) {
#ifdef USE_FUTURE
  return asio::post(executor, asio::use_future(std::move(work))).get();
#else
  std::promise<decltype(work())> promise;
  auto future = promise.get_future();
  asio::post(executor, [&promise, &work] { promise.set_value(work()); });
  return future.get();
#endif
}

void *start() {
  return new Subject;
}

void stop(void *ctx) {
  auto *s = &subject(ctx);
  asio::post(s->io, [s] { s->acceptor.reset(); });
  s->guard.reset();
  s->io.stop();
  s->thread.join();
  if (s->pool) s->pool->join();
  delete s;
}

int sync(void *ctx, int x) {
  return ask(subject(ctx).io, [x] { return bench_handle(x); });
}

void post(void *ctx, uint64_t *count) {
  asio::post(subject(ctx).io, [count] { bench_count(count); });
}

void submit(void *ctx, int x, bench_done done, void *arg) {
  asio::post(subject(ctx).io, [x, done, arg] { done(arg, bench_handle(x)); });
}

// By way of the loop, which is where a handler would decide to offload.
int offload(void *ctx, int x) {
  Subject &s = subject(ctx);
  std::promise<int> promise;
  auto future = promise.get_future();
  asio::post(s.io, [&s, &promise, x] {
    if (!s.pool) s.pool = std::make_unique<asio::thread_pool>(4);
    asio::post(*s.pool, [&promise, x] { promise.set_value(bench_handle(x)); });
  });
  return future.get();
}

void free_vector(bench_blob *blob) {
  delete reinterpret_cast<std::vector<char> *>(blob->store[0]);
}

void copied(Subject &s, void *data, size_t size, bench_blob *answer) {
  auto *bytes = static_cast<char *>(data);
  auto *reply = new std::vector<char>(
      ask(s.io, [input = std::vector<char>(bytes, bytes + size)]() mutable {
        bench_touch(input.data(), input.size());
        return std::vector<char>(input);
      }));
  answer->data = reply->data();
  answer->size = reply->size();
  answer->store[0] = reinterpret_cast<uint64_t>(reply);
  answer->release = free_vector;
}

void payload(void *ctx, void *data, size_t size, int handed,
             bench_blob *answer) {
  if (!handed) return copied(subject(ctx), data, size, answer);
  answer->data = ask(subject(ctx).io, [data, size] {
    bench_touch(data, size);
    return data;
  });
  answer->size = size;
}

void on_loop(void *ctx, bench_task fn, void *arg) {
  ask(subject(ctx).io, [fn, arg] {
    fn(arg);
    return 0;
  });
}

void timer_open(void *ctx, unsigned count) {
  Subject &s = subject(ctx);
  s.timers.reserve(count);
  for (unsigned i = 0; i < count; i++) s.timers.emplace_back(s.io);
}

void timer_arm(void *ctx, unsigned slot, unsigned ms) {
  asio::steady_timer &timer = subject(ctx).timers[slot];
  timer.expires_after(std::chrono::milliseconds(ms));
  timer.async_wait([](const asio::error_code &) {});
}

// A cancelled wait still completes: now and then those handlers get to run, as
// they would between two turns of the loop.
void timer_cancel(void *ctx, unsigned slot) {
  static unsigned turn;
  Subject &s = subject(ctx);
  s.timers[slot].cancel();
  if (++turn % 64 == 0) s.io.poll();
}

void timer_close(void *ctx) {
  subject(ctx).timers.clear();
}

// One echo connection; it keeps itself alive through its handlers.
class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)) {
    socket_.set_option(tcp::no_delay(true));
  }

  void read() {
    auto self = shared_from_this();
    socket_.async_read_some(asio::buffer(bytes_),
                            [this, self](asio::error_code error, size_t got) {
                              if (!error) write(got);
                            });
  }

 private:
  void write(size_t size) {
    auto self = shared_from_this();
    asio::async_write(socket_, asio::buffer(bytes_, size),
                      [this, self](asio::error_code error, size_t) {
                        if (!error) read();
                      });
  }

  tcp::socket socket_;
  char bytes_[4096];
};

void accept_next(Subject &s) {
  s.acceptor->async_accept([&s](asio::error_code error, tcp::socket socket) {
    if (error) return;
    std::make_shared<Session>(std::move(socket))->read();
    accept_next(s);
  });
}

int echo(void *ctx) {
  Subject &s = subject(ctx);
  return ask(s.io, [&s] {
    s.acceptor.emplace(s.io,
                       tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    accept_next(s);
    return static_cast<int>(s.acceptor->local_endpoint().port());
  });
}

bench_system describe() {
  bench_system s{};
#ifdef USE_FUTURE
  s.name = "asio-future";
#else
  s.name = "asio";
#endif
  s.start = start;
  s.stop = stop;
  s.sync = sync;
  s.payload = payload;
#ifndef USE_FUTURE  // the rest does not wait for a future
  s.post = post;
  s.submit = submit;
  s.offload = offload;
  s.on_loop = on_loop;
  s.timer_open = timer_open;
  s.timer_arm = timer_arm;
  s.timer_cancel = timer_cancel;
  s.timer_close = timer_close;
  s.echo = echo;
#endif
  return s;
}

}  // namespace

const bench_system bench_subject = describe();
