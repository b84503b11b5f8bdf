/// How often, how long, and after which errors ``retry(_:_:)`` tries again.
public struct RetryPolicy: Sendable {
  /// Most attempts, the first included.
  public var attempts = 3
  /// The pauses between them.
  public var backoff = Backoff()
  /// For each attempt, counted from its start.
  public var attemptDeadline = Deadline.never
  /// For all of it, pauses included.
  public var deadline = Deadline.never
  /// Whether it may go better after this error; of the error of an engine call's body, it is asked
  /// about the body's own. Called on the retrying task.
  public var retries: @Sendable (any Error) -> Bool = RetryPolicy.mayPass

  /// Three attempts, without deadlines.
  public init() {}

  /// - Parameters:
  ///   - attempts: Most attempts, the first included.
  ///   - backoff: The pauses between them.
  ///   - attemptDeadline: For each attempt, counted from its start.
  ///   - deadline: For all of it, pauses included.
  ///   - retries: Whether it may go better after this error.
  public init(
    attempts: Int, backoff: Backoff = Backoff(), attemptDeadline: Deadline = .never,
    deadline: Deadline = .never, retries: @escaping @Sendable (any Error) -> Bool = Self.mayPass
  ) {
    self.attempts = attempts
    self.backoff = backoff
    self.attemptDeadline = attemptDeadline
    self.deadline = deadline
    self.retries = retries
  }

  /// Whether an error may pass with time: each but cancellation, and what an ``Engine`` says of
  /// itself and will say again (stopped, forked, broken, misused). For the error of a call's body,
  /// that of the body counts.
  ///
  /// - Parameter error: Of an attempt.
  /// - Returns: True to try again.
  @Sendable public static func mayPass(_ error: any Error) -> Bool {
    if EngineError.isCancellation(EngineError.cause(of: error)) { return false }
    switch EngineError.cause(of: error) as? EngineError {
    case nil, .timedOut, .queueFull, .outOfMemory, .system, .busy: return true
    default: return false
    }
  }

  /// - Throws: ``EngineError/invalidArgument(_:)`` naming what is out of range.
  func check() throws(EngineError) {
    if attempts < 1 {
      throw .invalidArgument("RetryPolicy.attempts is \(attempts); at least 1")
    }
    if backoff.base < .zero {
      throw .invalidArgument("Backoff.base is \(backoff.base); zero or more")
    }
    if backoff.cap < backoff.base {
      throw .invalidArgument("Backoff.cap is \(backoff.cap); at least its base, \(backoff.base)")
    }
  }
}
