internal import COutboard

/// A deadline that has begun to count: an instant on the engine's monotonic clock.
@usableFromInline
struct Expiry: Sendable, Comparable {
  /// Nanoseconds on CLOCK_MONOTONIC; `UInt64.max` never comes.
  private let instant: UInt64

  /// - Parameters:
  ///   - nanoseconds: From now; `UInt64.max` for never.
  ///   - now: The clock; not read for never.
  init(after nanoseconds: UInt64, now: @autoclosure () -> UInt64 = ob_spi_now()) {
    guard nanoseconds != .max else {
      instant = .max
      return
    }
    let (sum, overflow) = now().addingReportingOverflow(nanoseconds)
    instant = overflow ? .max : sum
  }

  static let never = Expiry(after: .max)

  static var now: Expiry { Expiry(after: 0) }

  @usableFromInline
  var isNever: Bool { instant == .max }

  @usableFromInline
  static func < (left: Expiry, right: Expiry) -> Bool { left.instant < right.instant }

  /// Nanoseconds until expiry: 0 when it has come, `UInt64.max` when it never comes.
  var remaining: UInt64 { remaining(at: ob_spi_now()) }

  /// The same.
  ///
  /// - Parameter now: The clock; not read for what never comes.
  /// - Returns: Nanoseconds.
  func remaining(at now: @autoclosure () -> UInt64) -> UInt64 {
    guard instant != .max else { return .max }
    let now = now()
    return instant > now ? instant - now : 0
  }
}
