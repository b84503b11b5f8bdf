/// Runs an operation that is cancelled when its time is up.
///
/// Nested deadlines take the smaller. Inside, the deadline is ambient: child tasks inherit it,
/// engine calls made there keep it as if it had been passed to them (a body that blocks a pool
/// thread is abandoned), and ``Deadline/current`` tells it.
///
/// The operation is a child task, so it is never left behind: when the time is up it is cancelled
/// and awaited, and what it then returns is destroyed. One that ignores cancellation holds up the
/// caller, and so does one that awaits a loop that stands still; for what blocks, use `offload`
/// inside. Any task; on a loop it is timed by the loop.
///
/// - Parameters:
///   - deadline: When to give up.
///   - operation: Does not run at all if the time is up already.
/// - Returns: What the operation returned in time.
/// - Throws: ``EngineError/timedOut(_:)``, else the operation's own error as it is.
public func withDeadline<R: Sendable>(
  _ deadline: Deadline, _ operation: @escaping @Sendable () async throws -> R
) async throws -> R {
  try await withExpiry(deadline.expiry, .monotonic, operation)
}

/// The same on any clock.
///
/// - Parameters:
///   - expiry: No later than the ambient one.
///   - time: What `expiry` is an instant of.
///   - operation: As above.
/// - Returns: As above.
/// - Throws: As above.
func withExpiry<R: Sendable>(
  _ expiry: Expiry, _ time: TimeSource, _ operation: @escaping @Sendable () async throws -> R
) async throws -> R {
  let left = expiry.remaining(at: time.now())
  if left == .max { return try await operation() }
  if left == 0 { throw EngineError.timedOut(nil) }
  let result = await AmbientDeadline.with(expiry) { await raceWithTime(left, time, operation) }
  return try result.get()
}

/// What happens first decides; both are through on return.
private func raceWithTime<R: Sendable>(
  _ nanoseconds: UInt64, _ time: TimeSource, _ operation: @escaping @Sendable () async throws -> R
) async -> Result<R, any Error> {
  await withTaskGroup(of: TimedEvent<R>.self) { group in
    group.addTask { .ended(await Result(awaiting: operation)) }
    group.addTask {
      do throws(EngineError) { try await time.sleep(nanoseconds) } catch { return .timerCancelled }
      return .expired
    }
    var race = TimedRace<R>()
    for await event in group {
      race.happened(event)
      if race.isDecided { group.cancelAll() }
    }
    return race.result
  }
}

extension Result where Failure == any Error {
  /// The outcome of an operation.
  init(awaiting operation: () async throws -> Success) async {
    do { self = .success(try await operation()) } catch { self = .failure(error) }
  }
}
