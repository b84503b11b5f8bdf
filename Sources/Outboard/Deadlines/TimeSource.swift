internal import COutboard

/// A clock to read and to wait on: the engine's own, or one that a test steps by hand.
struct TimeSource: Sendable {
  /// Nanoseconds since some moment.
  let now: @Sendable () -> UInt64
  /// Suspends for so many nanoseconds; ends at once with ``EngineError/cancelled`` when its task is
  /// cancelled.
  let sleep: @Sendable (UInt64) async throws(EngineError) -> Void

  /// CLOCK_MONOTONIC, and the timers of the loop that the sleeper is on, else the runtime's.
  static let monotonic = TimeSource(now: { ob_spi_now() }, sleep: pause)

  /// The same, with one loop's timers wherever the sleeper is, as long as it is open.
  static func timers(of engine: Engine) -> TimeSource {
    TimeSource(now: { ob_spi_now() }) { nanoseconds throws(EngineError) in
      try await pause(nanoseconds, on: engine)
    }
  }
}

private func pause(_ nanoseconds: UInt64) async throws(EngineError) {
  try await pause(nanoseconds, on: Engine.current)
}

/// A loop that closes does not cut the sleep short: the rest passes on the runtime's timers.
private func pause(_ nanoseconds: UInt64, on engine: Engine?) async throws(EngineError) {
  // More than two hundred years would overflow the runtime's clock.
  let nanoseconds = min(nanoseconds, .max / 4)
  let due = Expiry(after: nanoseconds)
  if let engine {
    do {
      return try await engine.sleep(for: Duration(nanosecondCount: nanoseconds))
    } catch {
      guard case .shutdown = error else { throw error }
    }
  }
  do { try await Task.sleep(nanoseconds: due.remaining) } catch { throw .cancelled }
}
