import Glibc

/// A semaphore: blocks threads, for tests that hold a loop or a pool thread still.
@safe final class Gate: @unchecked Sendable {
  // sem_t may be used from any thread.
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() { unsafe sem_init(semaphore, 0, 0) }

  deinit {
    unsafe sem_destroy(semaphore)
    unsafe semaphore.deallocate()
  }

  func open() { unsafe sem_post(semaphore) }

  func pass() {
    while unsafe sem_wait(semaphore) != 0 {}
  }
}
