/// How a ``SessionPool`` makes, checks and ends its sessions.
///
/// The pool calls ``connect()`` and ``isHealthy(_:)`` in the task that wants the session, and
/// ``disconnect(_:)`` in a task of its own that prefers the pool's loop. For one place in the pool
/// they never overlap, nor does a call on the session.
public protocol SessionSource: Sendable {
  /// What is pooled.
  associatedtype Session: Sendable

  /// Makes a session.
  ///
  /// - Returns: One that is ready for use.
  /// - Throws: What the caller of ``SessionPool/withSession(deadline:_:)`` is to get.
  func connect() async throws -> Session

  /// Ends a session. Not cancelled along with the call that used it, but after the pool's
  /// `disconnectDeadline`.
  ///
  /// - Parameter session: Not used any more.
  /// - Throws: What ``report(_:)`` is to get.
  func disconnect(_ session: Session) async throws

  /// Whether a session that has been used may be used again; by default, always.
  ///
  /// - Parameter session: Idle.
  /// - Returns: False to have it replaced.
  /// - Throws: The same; the error goes to ``report(_:)``.
  func isHealthy(_ session: Session) async throws -> Bool

  /// What becomes of a session after a call on it has thrown; ``SessionFate/standard(after:)`` by
  /// default.
  ///
  /// - Parameter error: What the call threw; of the error of an engine call's body, the body's own.
  /// - Returns: What to do.
  func fate(after error: any Error) -> SessionFate

  /// Told what is not raised; does nothing by default. Any thread; must not block.
  ///
  /// - Parameter event: What has happened.
  func report(_ event: SessionEvent)
}

extension SessionSource {
  /// Always.
  public func isHealthy(_ session: Session) async throws -> Bool { true }

  /// As ``SessionFate/standard(after:)`` says.
  public func fate(after error: any Error) -> SessionFate { .standard(after: error) }

  /// Does nothing.
  public func report(_ event: SessionEvent) {}
}
