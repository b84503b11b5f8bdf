internal import COutboard

/// A mutex and a condition on the monotonic clock.
///
/// Not `Synchronization.Mutex`, in which ThreadSanitizer sees races that are not there.
///
/// `@unchecked Sendable`: may be used from any thread.
@safe final class Monitor: @unchecked Sendable {
  private let native: OpaquePointer

  init() {
    guard let native = unsafe ob_spi_monitor_new() else { fatalError("Outboard: out of memory") }
    unsafe self.native = native
  }

  deinit { unsafe ob_spi_monitor_free(native) }

  /// Enters; not reentrant.
  func lock() { unsafe ob_spi_monitor_lock(native) }

  /// Leaves.
  func unlock() { unsafe ob_spi_monitor_unlock(native) }

  /// Runs a closure inside.
  func locked<R>(_ body: () throws -> R) rethrows -> R {
    lock()
    defer { unlock() }
    return try body()
  }

  /// Wakes who waits.
  func signal() { unsafe ob_spi_monitor_signal(native) }

  /// Leaves, waits for a signal, and enters again; may also return for no reason.
  ///
  /// - Parameter nanoseconds: Waits this long at most.
  func wait(nanoseconds: UInt64) { unsafe ob_spi_monitor_wait(native, nanoseconds) }
}
