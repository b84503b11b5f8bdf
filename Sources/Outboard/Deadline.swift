internal import COutboard

/// When a call or a wait is given up.
///
/// Of a deadline that is passed to a call, and that of a ``withDeadline(_:_:)`` around it, the one
/// that comes first holds. A relative deadline counts from the call it is passed to. An instant is
/// turned into the time that remains when that call is made: instants never reach the engine, as
/// `ContinuousClock` and the engine's monotonic clock go on differently while the machine sleeps.
public struct Deadline: Sendable, Hashable {
  /// Of durations only, whose size is known where the deadline is passed on: an instant's is not,
  /// and each copy of one would go through the runtime.
  @usableFromInline
  enum Kind: Sendable, Hashable {
    case never
    case after(Duration)
    /// Since ``Deadline/origin``.
    case at(Duration)
  }

  private static let origin = ContinuousClock.now

  @usableFromInline
  let kind: Kind

  @inlinable
  init(kind: Kind) { self.kind = kind }

  /// Never expires.
  @inlinable
  public static var never: Deadline { Deadline(kind: .never) }

  /// Expires a duration after the call it is passed to; at once when it is zero or negative.
  ///
  /// - Parameter duration: The time allowed.
  /// - Returns: The deadline.
  public static func after(_ duration: Duration) -> Deadline { Deadline(kind: .after(duration)) }

  /// Expires at an instant; at once when that has passed.
  ///
  /// - Parameter instant: The instant.
  /// - Returns: The deadline.
  public static func at(_ instant: ContinuousClock.Instant) -> Deadline {
    Deadline(kind: .at(origin.duration(to: instant)))
  }

  /// Expires a number of seconds after the call it is passed to.
  ///
  /// - Parameter seconds: The time allowed, in seconds.
  /// - Returns: The deadline.
  public static func seconds(_ seconds: Double) -> Deadline { .after(.seconds(seconds)) }

  /// Expires a number of milliseconds after the call it is passed to.
  ///
  /// - Parameter milliseconds: The time allowed, in milliseconds.
  /// - Returns: The deadline.
  public static func milliseconds(_ milliseconds: Int) -> Deadline {
    .after(.milliseconds(milliseconds))
  }

  @inlinable
  var isNever: Bool {
    if case .never = kind { true } else { false }
  }

  /// The time that remains if a call were made now; nil for one that never expires.
  public var remaining: Duration? {
    switch kind {
    case .never: nil
    case .after(let duration): max(duration, .zero)
    case .at(let instant): max(instant - Self.origin.duration(to: .now), .zero)
    }
  }

  /// The remaining time as the core takes it: nanoseconds, `UInt64.max` for ever.
  var nanoseconds: UInt64 { remaining?.saturatedNanoseconds ?? .max }

  /// The deadline that holds here: that of the innermost ``withDeadline(_:_:)``, retry, or engine
  /// call with a deadline around the current task; `never` where there is none.
  ///
  /// Engine calls, and the tools of this library, keep it by themselves. It is for passing it on to
  /// others, a socket's timeout for example.
  public static var current: Deadline {
    let left = AmbientDeadline.expiry.remaining
    return left == .max ? .never : .after(Duration(nanosecondCount: left))
  }

  /// The instant of expiry, fixed now, for a call that may have to submit more than once: this
  /// deadline or the ambient one, whichever comes first.
  @usableFromInline
  var expiry: Expiry { min(Expiry(after: nanoseconds), AmbientDeadline.expiry) }

  /// The same on any clock.
  func expiry(by time: TimeSource) -> Expiry {
    min(Expiry(after: nanoseconds, now: time.now()), AmbientDeadline.expiry)
  }
}
