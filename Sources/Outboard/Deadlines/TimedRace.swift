/// An operation against its time: what happens first decides.
struct TimedRace<R: Sendable> {
  private var expired = false
  private var outcome: Result<R, any Error>?

  /// Whether the other side need not go on. A timer that was cancelled decides nothing: its task
  /// was, and the operation ends by itself.
  var isDecided: Bool { expired || outcome != nil }

  mutating func happened(_ event: TimedEvent<R>) {
    switch event {
    case .ended(let result): outcome = expired ? Self.late(result) : result
    case .expired: expired = outcome == nil
    case .timerCancelled: break
    }
  }

  /// The outcome, once both sides are through.
  var result: Result<R, any Error> {
    guard let outcome else { preconditionFailure("Outboard: the operation has not ended") }
    return outcome
  }

  /// A late value is destroyed; a late error that says more than 'cancelled' is told of.
  private static func late(_ result: Result<R, any Error>) -> Result<R, any Error> {
    guard case .failure(let error) = result, !EngineError.isEnding(error) else {
      return .failure(EngineError.timedOut(nil))
    }
    return .failure(EngineError.timedOut("cancelled, the operation ended with: \(error)"))
  }
}

extension EngineError {
  /// Whether an error only says that its task or call was cancelled or out of time.
  static func isEnding(_ error: any Error) -> Bool {
    if case .timedOut? = error as? EngineError { return true }
    return isCancellation(error)
  }
}
