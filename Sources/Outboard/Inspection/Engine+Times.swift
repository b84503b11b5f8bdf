internal import COutboard

extension Engine {
  /// A histogram of durations in short. Each is at most a 64th above a true value; the longest is
  /// exact. All are zero while the count is.
  public struct Times: Sendable, Hashable {
    /// How many; a measured call counts for those it stands for.
    public var count: UInt64
    /// The mean.
    public var mean: Duration
    /// Half are not longer.
    public var p50: Duration
    /// 99 of 100 are not longer.
    public var p99: Duration
    /// 999 of 1,000 are not longer.
    public var p999: Duration
    /// The longest.
    public var longest: Duration
  }
}

extension Engine.Times {
  init(_ times: ob_times) {
    count = times.count
    mean = Duration(nanosecondCount: times.mean_ns)
    p50 = Duration(nanosecondCount: times.p50_ns)
    p99 = Duration(nanosecondCount: times.p99_ns)
    p999 = Duration(nanosecondCount: times.p999_ns)
    longest = Duration(nanosecondCount: times.max_ns)
  }
}
