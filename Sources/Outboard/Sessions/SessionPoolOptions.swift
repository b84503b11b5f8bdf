/// The limits of a ``SessionPool``.
public struct SessionPoolOptions: Sendable, Hashable {
  /// Most sessions at once, those that are being connected or disconnected included.
  public var limit = 4
  /// Most calls that wait for one.
  public var waiterLimit = 1_024
  /// How long a call waits for one.
  public var acquireDeadline = Deadline.seconds(30)
  /// How long an unused session stays connected; nil for as long as the pool lives.
  public var idleTimeout: Duration? = .seconds(60)
  /// A session that was used within this time, and not by a call that threw, is not checked.
  public var trustedFor = Duration.zero
  /// How long a disconnect may take before it is cancelled.
  public var disconnectDeadline = Deadline.seconds(5)

  /// The defaults.
  public init() {}

  /// The defaults, but for the number of sessions.
  ///
  /// - Parameter limit: Most sessions at once.
  public init(limit: Int) { self.limit = limit }

  /// - Throws: ``EngineError/invalidArgument(_:)`` naming what is out of range.
  func check() throws(EngineError) {
    if limit < 1 {
      throw .invalidArgument("SessionPoolOptions.limit is \(limit); at least 1")
    }
    if waiterLimit < 0 {
      throw .invalidArgument("SessionPoolOptions.waiterLimit is \(waiterLimit); 0 or more")
    }
    if let idleTimeout, idleTimeout <= .zero {
      throw .invalidArgument(
        "SessionPoolOptions.idleTimeout is \(idleTimeout); more than zero, or nil for ever")
    }
  }
}
