/// Where a retried operation is.
struct RetryState {
  /// What an attempt ended with.
  enum Failure {
    /// The policy says that another attempt may go better.
    case passing
    /// The policy says that none will.
    case lasting
    /// The task is cancelled, whatever the error says.
    case cancelled
  }

  /// What to do after it.
  enum Verdict: Equatable {
    /// Try again after so many nanoseconds.
    case pause(UInt64)
    /// The attempt's error is the answer.
    case giveUp
    /// The next attempt would begin after the deadline.
    case outOfTime
  }

  private let most: Int
  private let backoff: Backoff
  private let expiry: Expiry
  private var pause: UInt64?
  /// Attempts that have failed.
  private(set) var failures = 0

  init(_ policy: RetryPolicy, _ expiry: Expiry) {
    most = policy.attempts
    backoff = policy.backoff
    self.expiry = expiry
  }

  mutating func failed(
    _ failure: Failure, now: UInt64, using generator: inout some RandomNumberGenerator
  ) -> Verdict {
    failures += 1
    guard case .passing = failure, failures < most else { return .giveUp }
    let next = backoff.pause(after: pause, using: &generator)
    pause = next
    return next < expiry.remaining(at: now) ? .pause(next) : .outOfTime
  }
}
