// Memory that nobody may touch once its owner, a static object, is destroyed.
#ifndef CPP_POISON_HPP
#define CPP_POISON_HPP

#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

class poisoned_page {
 public:
  poisoned_page() {
    void *page = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) std::abort();
    page_ = static_cast<char *>(page);
  }
  // Whoever touches it from now on ends the process with SIGSEGV. It stays for
  // a while, so that who is still running has the time to.
  ~poisoned_page() {
    if (mprotect(page_, size, PROT_NONE) != 0) std::abort();
    if (used_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  poisoned_page(const poisoned_page &) = delete;
  poisoned_page &operator=(const poisoned_page &) = delete;

  // A copy of the text in it. Any thread.
  char *put(const char *text) {
    const size_t bytes = std::strlen(text) + 1;
    const size_t at = used_.fetch_add((bytes + 15) / 16 * 16);
    if (at + bytes > size) std::abort();
    std::memcpy(page_ + at, text, bytes);
    return page_ + at;
  }
  // Reads and writes it.
  void touch() {
    used_++;
    reinterpret_cast<std::atomic<unsigned> *>(page_)->fetch_add(1);
  }

 private:
  static constexpr size_t size = 4096;
  char *page_ = nullptr;
  std::atomic<size_t> used_{0};
};

#endif
