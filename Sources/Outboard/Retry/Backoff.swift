/// How long to pause between attempts: exponential backoff with decorrelated jitter.
///
/// Each pause is drawn between `base` and three times the one before, and never exceeds `cap`, so
/// that callers that failed together do not come back together. (Marc Brooker, "Exponential Backoff
/// And Jitter", AWS Architecture Blog, 2015.)
public struct Backoff: Sendable, Hashable {
  /// The shortest pause; zero for none at all.
  public var base = Duration.milliseconds(50)
  /// The longest pause.
  public var cap = Duration.seconds(5)

  /// 50 ms at least, 5 s at most.
  public init() {}

  /// - Parameters:
  ///   - base: The shortest pause; zero for none at all.
  ///   - cap: The longest pause, not below `base`.
  public init(base: Duration, cap: Duration) {
    self.base = base
    self.cap = cap
  }

  /// The pause after one of `previous` nanoseconds; `nil` for the first.
  func pause(
    after previous: UInt64?, using generator: inout some RandomNumberGenerator
  ) -> UInt64 {
    let (low, most) = (base.saturatedNanoseconds, cap.saturatedNanoseconds)
    let (triple, overflow) = (previous ?? low).multipliedReportingOverflow(by: 3)
    let high = min(overflow ? most : triple, most)
    return UInt64.random(in: low...max(low, high), using: &generator)
  }
}
