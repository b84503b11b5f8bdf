/// Wakes one thread, once.
///
/// `@unchecked Sendable`: `rung` is protected by `monitor`.
final class Bell: @unchecked Sendable {
  private let monitor = Monitor()
  private var rung = false

  func ring() {
    monitor.locked {
      rung = true
      monitor.signal()
    }
  }

  /// Blocks until it is rung.
  ///
  /// - Parameter expiry: When to stop waiting.
  /// - Returns: False when that came first.
  func wait(until expiry: Expiry) -> Bool {
    monitor.locked {
      while !rung {
        let left = expiry.remaining
        if left == 0 { return false }
        monitor.wait(nanoseconds: left)
      }
      return true
    }
  }
}
