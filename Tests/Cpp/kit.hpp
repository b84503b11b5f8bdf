// What the C++ tests share: the C tests' harness, and objects that are counted.
#ifndef KIT_HPP
#define KIT_HPP

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <memory>
#include <outboard.hpp>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include "../C/harness.h"
}

using namespace std::chrono_literals;

// The statement throws an outboard::error with this code, whose text contains
// the word.
#define CHECK_THROWS(statement, expected, word)                             \
  do {                                                                      \
    bool thrown_ = false;                                                   \
    try {                                                                   \
      statement;                                                            \
    } catch (const outboard::error &error_) {                               \
      thrown_ = true;                                                       \
      CHECK_EQ(error_.code(), expected);                                    \
      if (strstr(error_.what(), word) == nullptr)                           \
        test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", error_.what(), \
                  word);                                                    \
    }                                                                       \
    CHECK(thrown_);                                                         \
  } while (0)

// Counts the objects that live. Move only.
struct tracked {
  static inline std::atomic<int> alive{0};
  int value;
  explicit tracked(int v) : value(v) { ++alive; }
  tracked(tracked &&other) noexcept : value(other.value) { ++alive; }
  tracked &operator=(tracked &&) = default;
  ~tracked() { --alive; }
};

// A gate that one side opens and the other waits for.
struct gate {
  std::atomic<bool> is_open{false};
  void open() { is_open.store(true, std::memory_order_release); }
  void await() const {
    while (!is_open.load(std::memory_order_acquire))
      std::this_thread::sleep_for(1ms);
  }
};

template <class Condition>
void await_that(Condition holds) {  // the test's time limit is the bound
  while (!holds()) std::this_thread::sleep_for(1ms);
}

// One that is no std::exception.
struct own_exception {
  int number;
};

#endif
