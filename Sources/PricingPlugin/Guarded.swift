internal import Glibc

/// A mutex with a condition, around a value.
///
/// In place of `Synchronization.Mutex`, which ThreadSanitizer does not understand, and which has
/// no condition.
///
/// `@unchecked Sendable`: `value` is protected by `mutex`.
@safe final class Guarded<Value: Sendable>: @unchecked Sendable {
  private var value: Value
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  init(_ value: Value) {
    self.value = value
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(condition, &attributes)
    unsafe pthread_condattr_destroy(&attributes)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  /// Runs a body that has the value to itself.
  func withLock<Result, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try body(&value)
  }

  /// Runs a body until it returns something, each time another has signalled, and at least every
  /// `interval`, so that a body that watches something else sees it change.
  func wait<Result, Failure: Error>(
    every interval: Duration, until body: (inout Value) throws(Failure) -> Result?
  ) throws(Failure) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    while true {
      if let result = try body(&value) { return result }
      var until = timespec()
      unsafe clock_gettime(CLOCK_MONOTONIC, &until)
      until.add(interval)
      unsafe pthread_cond_timedwait(condition, mutex, &until)
    }
  }

  /// Lets one waiter look again.
  func signal() {
    unsafe pthread_cond_signal(condition)
  }
}

extension timespec {
  fileprivate mutating func add(_ duration: Duration) {
    let parts = duration.components
    tv_sec += Int(parts.seconds)
    tv_nsec += Int(parts.attoseconds / 1_000_000_000)
    if tv_nsec >= 1_000_000_000 {
      tv_sec += 1
      tv_nsec -= 1_000_000_000
    }
  }
}
