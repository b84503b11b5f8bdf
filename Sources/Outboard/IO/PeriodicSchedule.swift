/// When a periodic timer is due, on a clock of nanoseconds that its caller reads.
///
/// Due times are multiples of the interval from the first, so that lateness does not add up. Those
/// that have passed while the last tick was dealt with are skipped and counted.
struct PeriodicSchedule {
  private let first: UInt64
  private let interval: UInt64
  /// Number of the next tick.
  private var index: UInt64 = 0

  /// - Parameters:
  ///   - first: When the first tick is due.
  ///   - interval: Above 0.
  init(first: UInt64, interval: UInt64) {
    self.first = first
    self.interval = interval
  }

  /// When the next tick is due; never earlier than the one before. `UInt64.max` when that is beyond
  /// the clock.
  var due: UInt64 {
    let (offset, tooFar) = interval.multipliedReportingOverflow(by: index)
    let (sum, beyond) = first.addingReportingOverflow(offset)
    return tooFar || beyond ? .max : sum
  }

  /// Takes the next tick.
  ///
  /// - Parameter now: Not before `due`.
  /// - Returns: Its number, counted from 0, and how many before it were skipped.
  mutating func take(now: UInt64) -> Tick {
    let latest = now > first ? (now - first) / interval : 0
    let missed = latest > index ? latest - index : 0
    index += missed
    defer { index += 1 }
    return Tick(number: Int(clamping: index), missed: Int(clamping: missed))
  }
}
