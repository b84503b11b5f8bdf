/* Outboard: what is behind outboard.hpp: calls on the heap, posts, callbacks of
 * the C interface. Include outboard.hpp; nothing here is public.
 *
 * A job has two owners or three: who waits for it, the loop (by the input's
 * destroy), the promise. The outcome is written before ob_complete and read
 * only after Outboard has said OB_OK, which orders the two. */
#ifndef OUTBOARD_JOB_HPP
#define OUTBOARD_JOB_HPP

#include <atomic>
#include <memory>
#include <mutex>

#include "outboard_detail.hpp"

namespace outboard {
namespace detail {

struct hook {
  virtual ~hook() = default;
  virtual void run() = 0;
};

template <class F>
struct hook_of final : hook {
  explicit hook_of(F &&body) : f(std::move(body)) {}
  explicit hook_of(const F &body) : f(body) {}
  void run() override { f(); }
  F f;
};

/* What does not hang on the type of the value. */
struct shared_state {
  std::atomic<int> owners{1};
  std::mutex mutex;              /* guards what follows */
  ob_request *request = nullptr; /* from the handler's start to the answer */
  bool starting = false;         /* the handler has not returned */
  bool dropped = false;          /* the promise went meanwhile */
  std::unique_ptr<hook> on_cancelled;

  virtual ~shared_state() = default;
  virtual void end_callable() noexcept = 0;

  void add_owner() noexcept { owners.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept {
    if (owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  /* The input's destroy. */
  static void let_go(void *input, std::size_t, void *) {
    auto *self = static_cast<shared_state *>(input);
    self->end_callable();
    self->drop();
  }

  static void cancelled_hook(ob_request *, void *arg) {
    auto *self = static_cast<shared_state *>(arg);
    std::unique_ptr<hook> mine;
    {
      std::lock_guard<std::mutex> lock(self->mutex);
      mine = std::move(self->on_cancelled);
    }
    if (!mine) return; /* answered in the meantime */
    try {
      mine->run();
    }
    OUTBOARD_PASS_FORCED catch (...) {
      nobody_catches("an on_cancel hook",
                     "catch it in the hook: nobody waits for what it throws");
    }
  }

  template <class F>
  bool on_cancel(F &&f) {
    auto made = std::make_unique<hook_of<std::decay_t<F>>>(std::forward<F>(f));
    std::lock_guard<std::mutex> lock(mutex);
    if (request == nullptr || ob_request_cancelled(request) != 0) return false;
    int rc = ob_request_on_cancel(request, cancelled_hook, this);
    if (rc == OB_ECANCELED) return false;
    check(rc, "on_cancel");
    on_cancelled = std::move(made); /* the hook waits for the mutex */
    return true;
  }

  bool cancelled() noexcept {
    std::lock_guard<std::mutex> lock(mutex);
    return request == nullptr || ob_request_cancelled(request) != 0;
  }
  std::chrono::nanoseconds remaining() noexcept {
    std::lock_guard<std::mutex> lock(mutex);
    return from_ns(request == nullptr ? 0 : ob_request_remaining(request));
  }

  /* Who gets the request answers it. The hook goes with the answer: it may own
   * the promise, which owns this. */
  ob_request *claim(std::unique_ptr<hook> &hook_then) noexcept {
    std::lock_guard<std::mutex> lock(mutex);
    hook_then = std::move(on_cancelled);
    return std::exchange(request, nullptr);
  }
};

template <class T>
class handle {
 public:
  handle() noexcept = default;
  explicit handle(T *owned) noexcept : raw_(owned) {}
  handle(handle &&other) noexcept : raw_(other.release()) {}
  ~handle() {
    if (raw_ != nullptr) raw_->drop();
  }
  void swap(handle &other) noexcept { std::swap(raw_, other.raw_); }
  T *release() noexcept { return std::exchange(raw_, nullptr); }
  T *operator->() const noexcept { return raw_; }
  explicit operator bool() const noexcept { return raw_ != nullptr; }

 private:
  T *raw_ = nullptr;
};

template <class R>
struct state : shared_state {
  outcome<R> out;

  template <class... V>
  bool settle_value(V &&...value) {
    std::unique_ptr<hook> then;
    ob_request *mine = claim(then);
    if (mine == nullptr) return false;
    out.run([&]() -> R {
      if constexpr (!std::is_void_v<R>) return R(std::forward<V>(value)...);
    });
    return ob_complete(mine, OB_OK, ob_result_none()) == OB_OK;
  }

  bool settle_failure(std::exception_ptr failure) {
    std::unique_ptr<hook> then;
    ob_request *mine = claim(then);
    if (mine == nullptr) return false;
    out.failure = std::move(failure);
    return ob_complete(mine, OB_OK, ob_result_none()) == OB_OK;
  }

  void broken() noexcept {
    settle_failure(std::make_exception_ptr(
        error(OB_ECANCELED,
              "the promise was dropped without an answer; "
              "set a value or an exception on every path")));
  }

  void promise_dropped() noexcept {
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (starting) { /* the callable may be throwing: see job::later */
        dropped = true;
        return;
      }
    }
    broken();
  }
};

template <class R, class F, where Where>
struct job final : state<R> {
  std::optional<F> f;
  template <class G>
  explicit job(G &&body) : f(std::forward<G>(body)) {}

  void end_callable() noexcept override { f.reset(); }

  static void handle_call(ob_request *request, void *input, std::size_t,
                          void *) {
    auto *self = static_cast<job *>(static_cast<shared_state *>(input));
    if constexpr (Where == where::later)
      self->later(request);
    else
      self->at_once(request);
  }

 private:
  void at_once(ob_request *handed) {
    std::unique_ptr<hook> then;
    if (Where == where::pool) {
      std::lock_guard<std::mutex> lock(this->mutex);
      this->request = handed;
    }
    if constexpr (std::is_invocable_v<F &, context &>) {
      typename known_later<F>::type now(handed,
                                        Where == where::pool ? this : nullptr);
      this->out.run(*f, now);
    } else {
      this->out.run(*f);
    }
    f.reset(); /* what it holds is gone when the caller goes on */
    if (Where == where::pool) this->claim(then);
    ob_complete(handed, OB_OK, ob_result_none());
  }

  void later(ob_request *handed) {
    bool lost;
    {
      std::lock_guard<std::mutex> lock(this->mutex);
      this->request = handed;
      this->starting = true;
    }
    this->add_owner(); /* the promise; the loop keeps this here meanwhile */
    std::exception_ptr thrown;
    try {
      (*f)(promise<R>(handle<state<R>>(this)));
    }
    OUTBOARD_PASS_FORCED catch (...) {
      thrown = std::current_exception();
    }
    {
      std::lock_guard<std::mutex> lock(this->mutex);
      this->starting = false;
      lost = this->dropped;
    }
    if (thrown)
      this->settle_failure(std::move(thrown));
    else if (lost)
      this->broken();
  }
};

template <class R, where Where, class F>
handle<job<R, std::decay_t<F>, Where>> make_job(F &&f) {
  using Job = job<R, std::decay_t<F>, Where>;
  return handle<Job>(new Job(std::forward<F>(f)));
}

template <class R, class F, where Where>
ob_call_opts job_options(const handle<job<R, F, Where>> &made, const char *name,
                         bool nowait, std::uint64_t ns) noexcept {
  std::uint32_t flags = 0;
  if (Where == where::loop) flags = OB_CALL_SYNC;
  if (Where == where::pool) flags = OB_CALL_OFFLOAD;
  ob_call_opts opts = call_options(
      &job<R, F, Where>::handle_call,
      static_cast<shared_state *>(made.operator->()), flags, name, nowait, ns);
  opts.destroy = &shared_state::let_go;
  return opts;
}

/* --- Posts and raw callbacks ---------------------------------------------- */

template <class F>
void run_post(void *arg, int status) {
  std::unique_ptr<F> f(static_cast<F *>(arg));
  if (status != OB_OK) return; /* the engine stops: released unrun */
  try {
    (*f)();
  }
  OUTBOARD_PASS_FORCED catch (...) {
    nobody_catches("a callable given to post",
                   "catch it there, or use call or submit, which hand it to a "
                   "caller");
  }
}

template <class Function>
struct raw_callback;
template <class R, class... A>
struct raw_callback<R (*)(A...)> {
  template <auto Function>
  static R call(A... arguments) {
    try {
      return Function(arguments...);
    }
    OUTBOARD_PASS_FORCED catch (...) {
      nobody_catches("a raw callback",
                     "catch it there and answer with a status, or use "
                     "outboard::engine::call, which hands it to the caller");
    }
  }
};
template <class R, class... A>
struct raw_callback<R (*)(A...) noexcept> : raw_callback<R (*)(A...)> {};

}  // namespace detail
}  // namespace outboard

#endif
