// exit() while callables run by the thousand: none touches an object that a
// static destructor has poisoned. Exit status: 0 as promised, 3 when one did.
//   statics           objects made before the engine
//   statics late      an object made after it, which C++ destroys first: what
//                     the header warns of, and the proof that this can fail
//   statics engine    the engine is a static object, its queue full at exit
#include <unistd.h>

#include "kit.hpp"

namespace {

std::atomic<long> touched{0};  // trivially destroyed: usable to the end

struct poisoned {
  static constexpr unsigned alive_mark = 0x600d600d;
  volatile unsigned mark = alive_mark;
  bool late = false;
  void touch() {
    if (mark != alive_mark) _exit(3);
    ++touched;
  }
  ~poisoned() {
    mark = 0xdeadbeef;
    // Time for a callable to come by. The late one waits for it.
    long before = touched;
    for (int i = 0; i < (late ? 5000 : 20); i++) {
      std::this_thread::sleep_for(1ms);
      if (late && touched != before) break;
    }
  }
};

poisoned early;

poisoned &late_one() {
  static poisoned object;
  object.late = true;
  return object;
}

void host(outboard::engine_ref engine, poisoned &object) {
  try {
    for (int i = 0;; i++) {
      auto body = [&object] { object.touch(); };
      switch (i % 4) {
        case 0:
          engine.call(body);
          break;
        case 1:
          engine.call(body, 10s);
          break;
        case 2:
          engine.post(body);
          break;
        default:
          engine.submit(body).get();
          break;
      }
    }
  } catch (const outboard::error &error) {
    if (error.code() != OB_ESHUTDOWN) _exit(4);
    for (;;) pause();  // the process ends
  }
}

}  // namespace

int main(int count, char **words) {
  std::string mode = count > 1 ? words[1] : "";
  if (mode == "engine") {
    static outboard::engine engine;
    for (int i = 0; i < 10000; i++)
      engine.post([] {
        early.touch();
        std::this_thread::sleep_for(100us);
      });
    exit(0);
  }
  outboard::engine_ref engine = (new outboard::engine)->native();
  poisoned &object = mode == "late" ? late_one() : early;
  for (int i = 0; i < 8; i++)
    std::thread(host, engine, std::ref(object)).detach();
  await_that([] { return touched > 2000; });
  exit(0);
}
