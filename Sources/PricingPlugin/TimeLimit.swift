/// When a call must have ended, and what it was given.
struct TimeLimit: Sendable {
  /// The whole time, for messages.
  let total: Duration
  private let end: ContinuousClock.Instant

  /// Begins to count now.
  init(_ total: Duration) {
    self.total = total
    end = ContinuousClock.now + total
  }

  /// Never negative.
  var remaining: Duration { max(.zero, ContinuousClock.now.duration(to: end)) }

  var hasExpired: Bool { ContinuousClock.now >= end }
}
