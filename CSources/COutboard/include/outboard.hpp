/* Outboard for C++17: outboard.h with owners, values and exceptions. Header
 * only: link the C library as always, with any C++ runtime.
 *
 *     #include <outboard.hpp>
 *     #include <cstdio>
 *     #include <stdexcept>
 *     #include <string>
 *     using namespace std::chrono_literals;
 *
 *     int main() {
 *       outboard::engine engine;
 *       // Blocks this thread; runs on the loop's; the value comes back.
 *       std::string name = engine.call([] { return std::string("pump"); });
 *       try {  // so does an exception, with its type
 *         engine.call([] { throw std::out_of_range("no such pump"); }, 1s);
 *       } catch (const std::out_of_range &error) {
 *         name += std::string(", ") + error.what();
 *       }
 *       // What blocks goes to the pool, and sees when it is not wanted.
 *       outboard::ticket<int> slow = engine.submit_offload(
 *           [](outboard::context &now) {
 *             int turns = 0;
 *             while (!now.cancelled()) turns = 1;
 *             return turns;
 *           });
 *       if (!slow.wait(10ms)) slow.cancel();
 *       try {
 *         slow.get(5s);
 *       } catch (const outboard::error &error) {
 *         std::puts(error.what());  // cancelled before it began
 *       }
 *       engine.post([] { std::puts("posted"); });
 *       engine.stop(outboard::stop_mode::drain, 5s);
 *       std::puts(name.c_str());
 *     }
 *
 * Callables
 *   f() or f(outboard::context &), returning void, a movable value or an lvalue
 *   reference. They run on the loop thread and must not block; offload and
 *   submit_offload are for what does. call_async and submit_async are for what
 *   answers later: f(outboard::promise<R>), which may still run when its
 *   promise has been kept. A call without a deadline keeps the callable where
 *   it is; every other form moves it to the heap, and destroys it on the loop
 *   thread, or on the submitting one if it was refused.
 *
 * Exceptions
 *   What a callable throws is thrown again on the thread that calls, or that
 *   gets the ticket. Errors of Outboard's own are outboard::error. Where nobody
 *   can receive it (post, on_cancel, a raw handler of the C interface) an
 *   exception ends the process: its text and the cure go to stderr, then
 *   std::terminate. A ticket that is given up destroys it, as it does a value.
 *   pthread_exit and pthread_cancel in a callable are not exceptions of the
 *   program and are not caught; on the engine's threads they end the process.
 *
 * Deadlines
 *   Any std::chrono duration from the submission; none is for ever. At expiry
 *   call throws OB_ETIMEDOUT; a callable that runs goes on, sees cancelled(),
 *   and its value is destroyed.
 *
 * The end of the process
 *   From the exit handler on that the first engine registers, no callable
 *   begins; one that runs is waited for for 50 ms. C++ destroys static objects
 *   in the order opposite to their construction, so those that callables use
 *   must be complete before the first engine is started, as namespace-scope
 *   objects are. Statics made later (in functions) are gone first: stop the
 *   engine before main returns, and end the threads that call a static one. */
#ifndef OUTBOARD_HPP
#define OUTBOARD_HPP

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "outboard.h"
#include "outboard_detail.hpp"
#include "outboard_job.hpp"

namespace outboard {

/* What a stop does with queued work: ends it, or runs it. */
enum class stop_mode { cancel = OB_STOP_CANCEL, drain = OB_STOP_DRAIN };

/* Defaults of the C interface, to be changed by member. For hooks: raw<&f>. */
inline ob_engine_opts options() noexcept {
  ob_engine_opts defaults = OB_ENGINE_OPTS_INIT;
  return defaults;
}

/* A function as a callback of the C interface (ob_handler, ob_done, ob_post_fn,
 * a libuv callback, ...): raw<&f>. An exception ends the process with its text
 * and the cure. Without it, too, but then the core does not know the text. */
template <auto Function>
inline constexpr auto raw =
    &detail::raw_callback<decltype(Function)>::template call<Function>;

/* What a callable can ask about its own call while it runs. */
class context {
 public:
  /* The answer is not wanted any more: cancel, deadline, stop. */
  bool cancelled() const noexcept {
    return ob_request_cancelled(request_) != 0;
  }
  /* Time until the deadline; nanoseconds::max() without one. */
  std::chrono::nanoseconds remaining() const noexcept {
    return detail::from_ns(ob_request_remaining(request_));
  }
  ob_engine *engine() const noexcept { return ob_request_engine(request_); }
  /* Runs f() on the loop thread, once, if the call is cancelled before it has
   * answered; false: it is already, and f will not run. Offloaded callables
   * only (error OB_EINVAL otherwise), once (OB_EALREADY). f runs beside the
   * callable and may still do so when that has returned: give it what it needs
   * by value. */
  template <class F>
  bool on_cancel(F &&f) {
    if (state_ == nullptr)
      throw error(
          OB_EINVAL,
          "on_cancel: a callable on the loop holds the loop, so that no "
          "hook could run; use offload, or call_async");
    return state_->on_cancel(std::forward<F>(f));
  }

 private:
  template <class, class, detail::where>
  friend struct detail::job;
  template <class, class>
  friend struct detail::frame;
  context(ob_request *request, detail::shared_state *state)
      : request_(request), state_(state) {}
  context(const context &) = delete;
  context &operator=(const context &) = delete;
  ob_request *request_;
  detail::shared_state *state_; /* NULL for one that runs on the loop */
};

/* The answer of a call_async: set it once, on any thread. Dropped without one,
 * it answers with an outboard::error that says so. Move only. */
template <class R>
class promise {
 public:
  promise(promise &&) noexcept = default;
  promise &operator=(promise &&other) noexcept {
    promise(std::move(other)).state_.swap(state_);
    return *this;
  }
  ~promise() {
    if (state_) state_->promise_dropped();
  }

  /* False if the call had ended: the value is then destroyed. */
  template <class... V>
  bool set_value(V &&...value) {
    return state().settle_value(std::forward<V>(value)...);
  }
  bool set_exception(std::exception_ptr failure) {
    return state().settle_failure(std::move(failure));
  }
  /* As for context; cancelled() is true after the answer, too. */
  bool cancelled() const { return state().cancelled(); }
  std::chrono::nanoseconds remaining() const { return state().remaining(); }
  /* On the loop thread, before the answer; f may answer. The hook, and what it
   * holds, goes with the answer. */
  template <class F>
  bool on_cancel(F &&f) {
    return state().on_cancel(std::forward<F>(f));
  }

 private:
  template <class, class, detail::where>
  friend struct detail::job;
  explicit promise(detail::handle<detail::state<R>> own)
      : state_(std::move(own)) {}
  detail::state<R> &state() const {
    if (!state_) throw error(OB_EINVAL, "promise: it was moved from");
    return *state_.operator->();
  }

  detail::handle<detail::state<R>> state_;
};

/* A submitted call. Move only; its destructor gives the call up, which goes on
 * and whose outcome is then destroyed. */
template <class R>
class ticket {
 public:
  ticket() noexcept = default;
  ticket(ticket &&other) noexcept
      : raw_(std::exchange(other.raw_, nullptr)),
        state_(std::move(other.state_)) {}
  ticket &operator=(ticket &&other) noexcept {
    std::swap(raw_, other.raw_);
    state_.swap(other.state_);
    return *this;
  }
  ~ticket() { ob_ticket_release(raw_); }

  /* Waits for the outcome and moves it out, once (OB_EALREADY). OB_ETIMEDOUT
   * ends this wait, never the call, unless it is the call's own. Other errors
   * as for ob_ticket_wait, or the call's: OB_ECANCELED, OB_ESHUTDOWN. */
  R get(deadline within = {}) {
    detail::check(ob_ticket_wait(raw_, within.ns, nullptr), "ticket::get");
    return state_->out.take();
  }
  /* False when time is up. */
  bool wait(deadline within = {}) const {
    int rc = ob_ticket_wait(raw_, within.ns, nullptr);
    if (ob_ticket_poll(raw_, nullptr) == 1) return true;
    if (rc != OB_ETIMEDOUT) detail::check(rc, "ticket::wait");
    return false;
  }
  bool done() const noexcept { return ob_ticket_poll(raw_, nullptr) == 1; }
  /* Queued, it will not run; running, it sees it. False: it had ended. */
  bool cancel() const {
    int rc = ob_ticket_cancel(raw_);
    if (rc != OB_EALREADY) detail::check(rc, "ticket::cancel");
    return rc == OB_OK;
  }
  /* For ob_wait_any and ob_wait_all. */
  ob_ticket *native() const noexcept { return raw_; }

 private:
  friend class engine_ref;
  ticket(ob_ticket *raw, detail::handle<detail::state<R>> state)
      : raw_(raw), state_(std::move(state)) {}

  ob_ticket *raw_ = nullptr;
  detail::handle<detail::state<R>> state_;
};

/* How a call is to be made: engine.call(f, 200ms),
 * engine.call(f, {200ms, "lookup"}). */
struct limits {
  limits() noexcept = default;
  limits(deadline time, const char *call_name = nullptr,
         bool no_wait = false) noexcept
      : within(time), name(call_name), nowait(no_wait) {}
  template <class Rep, class Period>
  limits(std::chrono::duration<Rep, Period> time) noexcept : within(time) {}
  deadline within;
  const char *name = nullptr; /* for error texts; must outlive the call */
  bool nowait = false;        /* a full queue is OB_EAGAIN at once */
};

/* Somebody else's engine: copied freely, keeps nothing alive. */
class engine_ref {
 public:
  engine_ref() noexcept = default;
  engine_ref(ob_engine *raw) noexcept : raw_(raw) {}

  /* The process's shared engine, started by the first who asks. */
  static engine_ref shared(const ob_engine_opts &opts = options()) {
    ob_engine *raw = nullptr;
    detail::check(ob_engine_shared(&raw, &opts), "engine_ref::shared");
    return raw;
  }
  /* The one whose loop thread this is, or an empty one. */
  static engine_ref current() noexcept { return ob_engine_current(); }

  ob_engine *native() const noexcept { return raw_; }
  explicit operator bool() const noexcept { return raw_ != nullptr; }

  /* Runs f on the loop and blocks until it has returned. On the loop thread
   * itself it runs at once. Errors as for ob_call. */
  template <class F>
  auto call(F &&f, limits how = {}) const -> detail::result_of<F> {
    using R = detail::result_of<F>;
    if (how.within.ns != OB_FOREVER) {
      if constexpr (std::is_constructible_v<std::decay_t<F>, F>)
        return blocking<R, detail::where::loop>(std::forward<F>(f), how,
                                                "call");
      else
        throw error(OB_EINVAL,
                    "call: a callable that can neither be copied "
                    "nor moved takes no deadline");
    }
    detail::frame<R, F> frame{f, {}};
    ob_call_opts opts =
        detail::call_options(&detail::frame<R, F>::handle, &frame, OB_CALL_SYNC,
                             how.name, how.nowait, OB_FOREVER);
    detail::check(ob_call(raw_, &opts, nullptr), "call");
    return frame.out.take();
  }
  /* The same on the engine's pool, where it may block. */
  template <class F>
  auto offload(F &&f, limits how = {}) const -> detail::result_of<F> {
    return blocking<detail::result_of<F>, detail::where::pool>(
        std::forward<F>(f), how, "offload");
  }
  /* Runs f(promise<R>) on the loop and blocks until the promise is kept. */
  template <class R, class F>
  R call_async(F &&f, limits how = {}) const {
    return blocking<R, detail::where::later>(std::forward<F>(f), how,
                                             "call_async");
  }

  /* The three without waiting. Errors as for ob_submit. */
  template <class F>
  auto submit(F &&f, limits how = {}) const -> ticket<detail::result_of<F>> {
    return submitted<detail::result_of<F>, detail::where::loop>(
        std::forward<F>(f), how, "submit");
  }
  template <class F>
  auto submit_offload(F &&f, limits how = {}) const
      -> ticket<detail::result_of<F>> {
    return submitted<detail::result_of<F>, detail::where::pool>(
        std::forward<F>(f), how, "submit_offload");
  }
  template <class R, class F>
  ticket<R> submit_async(F &&f, limits how = {}) const {
    return submitted<R, detail::where::later>(std::forward<F>(f), how,
                                              "submit_async");
  }

  /* Runs f on the loop some time; destroys it unrun if the engine stops first.
   * Waits for room. Errors as for ob_post. */
  template <class F>
  void post(F &&f) const {
    detail::check(posted(std::forward<F>(f), ob_post), "post");
  }
  /* False when the queue is full. */
  template <class F>
  bool try_post(F &&f) const {
    int rc = posted(std::forward<F>(f), ob_try_post);
    if (rc != OB_EAGAIN) detail::check(rc, "try_post");
    return rc == OB_OK;
  }

  /* Stops and joins. OB_ETIMEDOUT says what still runs, and may be tried again;
   * on the engine's own threads OB_EINPROGRESS. */
  void stop(stop_mode mode = stop_mode::cancel, deadline within = {}) const {
    detail::check(ob_engine_stop(raw_, static_cast<int>(mode), within.ns),
                  "stop");
  }

 protected:
  ob_engine *raw_ = nullptr;

 private:
  template <class R, detail::where Where, class F>
  R blocking(F &&f, const limits &how, const char *what) const {
    auto made = detail::make_job<R, Where>(std::forward<F>(f));
    ob_call_opts opts =
        detail::job_options(made, how.name, how.nowait, how.within.ns);
    made->add_owner(); /* ob_call takes it in any case */
    detail::check(ob_call(raw_, &opts, nullptr), what);
    return made->out.take();
  }

  template <class R, detail::where Where, class F>
  ticket<R> submitted(F &&f, const limits &how, const char *what) const {
    auto made = detail::make_job<R, Where>(std::forward<F>(f));
    ob_call_opts opts =
        detail::job_options(made, how.name, how.nowait, how.within.ns);
    ob_ticket *raw = nullptr;
    made->add_owner(); /* the loop */
    int rc = ob_submit(&raw, raw_, &opts);
    if (rc != OB_OK) made->drop(); /* nothing was taken */
    detail::check(rc, what);
    return ticket<R>(raw, detail::handle<detail::state<R>>(made.release()));
  }

  template <class F>
  int posted(F &&f, int (*hand_in)(ob_engine *, ob_post_fn, void *)) const {
    using Body = std::decay_t<F>;
    auto body = std::make_unique<Body>(std::forward<F>(f));
    int rc = hand_in(raw_, &detail::run_post<Body>, body.get());
    if (rc == OB_OK) body.release();
    return rc;
  }
};

/* An engine of one's own. Move only. The destructor stops it in cancel mode and
 * waits for 5 s at most; what then still runs, and an engine that is given up
 * on its own thread, is left to free itself. */
class engine : public engine_ref {
 public:
  explicit engine(const ob_engine_opts &opts = options()) {
    detail::check(ob_engine_start(&raw_, &opts), "engine");
  }
  engine(engine &&other) noexcept
      : engine_ref(std::exchange(other.raw_, nullptr)) {}
  engine &operator=(engine &&other) noexcept {
    engine taken(std::move(other));
    std::swap(raw_, taken.raw_);
    return *this;
  }
  ~engine() {
    if (ob_engine_destroy(raw_) != OB_OK) ob_engine_dispose(raw_);
  }
};

}  // namespace outboard

#undef OUTBOARD_PASS_FORCED

#endif
