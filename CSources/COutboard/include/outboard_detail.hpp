/* Outboard: what is behind outboard.hpp: errors, deadlines, outcomes, calls on
 * the caller's stack. Include that; nothing here is public but error and
 * deadline. */
#ifndef OUTBOARD_DETAIL_HPP
#define OUTBOARD_DETAIL_HPP

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "outboard.h"

#if !defined(__cpp_exceptions)
#error "outboard.hpp carries exceptions: compile without -fno-exceptions"
#endif

/* glibc ends a thread by an exception of its own, which must not be kept. */
#if defined(__GLIBCXX__)
#include <cxxabi.h>
#define OUTBOARD_PASS_FORCED       \
  catch (abi::__forced_unwind &) { \
    throw;                         \
  }
#else
#define OUTBOARD_PASS_FORCED
#endif

namespace outboard {

/* An error of Outboard's own: an OB_E* code, and a text with the detail. */
class error : public std::runtime_error {
 public:
  error(int code, const std::string &text)
      : std::runtime_error(text), code_(code) {}
  int code() const noexcept { return code_; }

 private:
  int code_;
};

/* A duration from now; none is for ever. Negative ones have expired. */
struct deadline {
  deadline() noexcept = default;
  template <class Rep, class Period>
  deadline(std::chrono::duration<Rep, Period> time) noexcept {
    long double seconds =
        std::chrono::duration_cast<std::chrono::duration<long double>>(time)
            .count();
    if (!(seconds > 0)) /* not a number, too */
      ns = 0;
    else if (seconds < 9.2e9L) /* else 292 years and more */
      ns = static_cast<std::uint64_t>(std::ceil(seconds * 1e9L - 1e-4L));
  }
  std::uint64_t ns = OB_FOREVER;
};

class context;
class engine_ref;
template <class R>
class promise;

namespace detail {

/* Where a callable runs: on the loop, on the pool, on the loop with its answer
 * later. */
enum class where { loop, pool, later };

inline void check(int rc, const char *what) {
  if (rc == OB_OK) return;
  std::string text = std::string(what) + ": " + ob_strerror(rc);
  const char *more = ob_last_error_detail();
  /* A cancel and a handler's status leave no text; an older one may be there.
   */
  if (rc != OB_ECANCELED && *more != '\0')
    text += std::string(" (") + more + ")";
  throw error(rc, text);
}

inline std::chrono::nanoseconds from_ns(std::uint64_t ns) noexcept {
  using std::chrono::nanoseconds;
  auto most = static_cast<std::uint64_t>(nanoseconds::max().count());
  return ns >= most ? nanoseconds::max()
                    : nanoseconds(static_cast<nanoseconds::rep>(ns));
}

/* In a catch (...): nobody can receive what was caught. */
[[noreturn]] inline void nobody_catches(const char *where,
                                        const char *cure) noexcept {
  const char *kind = "an object that is no std::exception", *text = "";
  std::exception_ptr held = std::current_exception(); /* text stays valid */
  try {
    throw;
  } catch (const std::exception &caught) {
    kind = "an exception: ";
    text = caught.what();
  } catch (...) {
  }
  std::fprintf(stderr, "outboard: %s threw %s%s\n  cure: %s\n", where, kind,
               text, cure);
  std::terminate();
}

/* --- Outcomes ------------------------------------------------------------- */

template <class R>
using stored =
    std::conditional_t<std::is_void_v<R>, char,
                       std::conditional_t<std::is_reference_v<R>,
                                          std::remove_reference_t<R> *, R>>;

template <class R>
struct outcome {
  static_assert(!std::is_rvalue_reference_v<R>,
                "a callable must not return an rvalue reference: the object "
                "would be gone; return it by value");
  std::optional<stored<R>> value;
  std::exception_ptr failure;
  bool taken = false;

  template <class F, class... A>
  void run(F &&f, A &&...arguments) {
    try {
      if constexpr (std::is_void_v<R>) {
        std::forward<F>(f)(std::forward<A>(arguments)...);
        value.emplace();
      } else if constexpr (std::is_reference_v<R>) {
        value.emplace(
            std::addressof(std::forward<F>(f)(std::forward<A>(arguments)...)));
      } else {
        value.emplace(std::forward<F>(f)(std::forward<A>(arguments)...));
      }
    }
    OUTBOARD_PASS_FORCED catch (...) {
      failure = std::current_exception();
    }
  }

  R take() {
    if (taken)
      throw error(OB_EALREADY, "ticket::get: its outcome was taken before");
    taken = true;
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    if constexpr (std::is_reference_v<R>)
      return **value;
    else if constexpr (!std::is_void_v<R>)
      return std::move(*value);
  }
};

template <class F, class = void>
struct result {
  using type = std::invoke_result_t<F &>;
};
template <class F>
struct result<F, std::enable_if_t<std::is_invocable_v<F &, context &>>> {
  using type = std::invoke_result_t<F &, context &>;
};
template <class F>
using result_of = typename result<std::decay_t<F>>::type;

inline ob_call_opts call_options(ob_handler handler, void *input,
                                 std::uint32_t flags, const char *name,
                                 bool nowait, std::uint64_t ns) noexcept {
  ob_call_opts opts = OB_CALL_OPTS_INIT;
  opts.name = name;
  opts.handler = handler;
  opts.input = input; /* with size 0: passed on as it is */
  opts.flags = flags;
  if (nowait) opts.flags |= OB_CALL_NOWAIT;
  opts.deadline_ns = ns;
  return opts;
}

/* The context is complete where the callers are, in outboard.hpp. */
template <class, class T = context>
struct known_later {
  using type = T;
};

/* A call on the caller's stack. */
template <class R, class F>
struct frame {
  std::remove_reference_t<F> &f;
  outcome<R> out;

  static void handle(ob_request *request, void *input, std::size_t, void *) {
    auto *self = static_cast<frame *>(input);
    if constexpr (std::is_invocable_v<std::decay_t<F> &, context &>) {
      typename known_later<F>::type now(request, nullptr);
      self->out.run(self->f, now);
    } else {
      self->out.run(self->f);
    }
    ob_complete(request, OB_OK, ob_result_none());
  }
};

}  // namespace detail
}  // namespace outboard

#endif
