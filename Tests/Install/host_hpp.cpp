// A C++17 host outside the tree: outboard.hpp as installed. A value, an
// exception and a cancelled call come back through the library.
#include <cstdio>
#include <outboard.hpp>
#include <stdexcept>
#include <string>

int main() {
  using namespace std::chrono_literals;
  outboard::engine engine;
  if (engine.call([] { return std::string("value"); }) != "value") return 1;
  try {
    engine.offload([] { throw std::domain_error("thrown"); });
    return 2;
  } catch (const std::domain_error &error) {
    if (std::string(error.what()) != "thrown") return 3;
  }
  try {
    engine.call_async<int>([](outboard::promise<int>) {}, 10s);
    return 4;
  } catch (const outboard::error &error) {
    if (error.code() != OB_ECANCELED) return 5;
  }
  engine.stop(outboard::stop_mode::drain, 10s);
  std::printf("outboard.hpp %s\n", ob_version_string());
}
