/// Runs an operation until it succeeds, as often and as long as a policy allows.
///
/// Deadlines are kept as by ``withDeadline(_:_:)``, the ambient one included; a pause that would
/// end after the deadline is not begun. Cancellation ends a pause at once, and no attempt begins
/// after it. Any task.
///
/// - Parameters:
///   - policy: How often, how long, after which errors.
///   - operation: One attempt. It may run more than once, so it must not matter if an earlier one
///     had its effect before it failed.
/// - Returns: What the first attempt that succeeded returned.
/// - Throws: The error of the last attempt as it is; ``EngineError/timedOut(_:)`` telling of it
///   when it was the whole deadline that ended the attempts; ``EngineError/cancelled`` between two;
///   ``EngineError/invalidArgument(_:)`` for a policy that is none.
public func retry<R: Sendable>(
  _ policy: RetryPolicy = RetryPolicy(), _ operation: @escaping @Sendable () async throws -> R
) async throws -> R {
  var generator = SystemRandomNumberGenerator()
  return try await retry(policy, .monotonic, &generator, operation)
}

/// The same on any clock and with any dice.
func retry<R: Sendable>(
  _ policy: RetryPolicy, _ time: TimeSource, _ generator: inout some RandomNumberGenerator,
  _ operation: @escaping @Sendable () async throws -> R
) async throws -> R {
  try policy.check()
  let whole = policy.deadline.expiry(by: time)
  if whole.remaining(at: time.now()) == 0 { throw EngineError.timedOut(nil) }
  var state = RetryState(policy, whole)
  while true {
    if Task.isCancelled { throw EngineError.cancelled }
    let attempt = min(whole, policy.attemptDeadline.expiry(by: time))
    let error: any Error
    do {
      return try await withExpiry(attempt, time, operation)
    } catch let failure {
      error = failure
    }
    let failure: RetryState.Failure =
      Task.isCancelled
      ? .cancelled : policy.retries(EngineError.cause(of: error)) ? .passing : .lasting
    switch state.failed(failure, now: time.now(), using: &generator) {
    case .pause(let nanoseconds): try await time.sleep(nanoseconds)
    case .giveUp: throw error
    case .outOfTime: throw EngineError.timedOut(after: state.failures, error)
    }
  }
}

extension EngineError {
  /// The whole deadline of a retry has come, or comes before its next attempt.
  fileprivate static func timedOut(after attempts: Int, _ last: any Error) -> EngineError {
    .timedOut("after \(attempts) attempt\(attempts == 1 ? "" : "s"), the last ended with: \(last)")
  }
}
