extension Engine {
  /// Submits a synchronous body to the loop thread and does not wait for it.
  ///
  /// - Parameters:
  ///   - deadline: When the call ends with ``EngineError/timedOut(_:)`` if it has not ended before.
  ///   - whenFull: With a full queue, fail, or block until there is room.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on the loop thread; must not block.
  /// - Returns: The call's ticket. Dropping it does not end the call.
  /// - Throws: ``EngineError/shutdown``, ``EngineError/queueFull``, ``EngineError/outOfMemory``,
  ///   ``EngineError/timedOut(_:)`` (while waiting for room), ``EngineError/deadlock(_:)`` (the
  ///   same, on the loop thread), ``EngineError/forked``, ``EngineError/broken(_:)``.
  public func submit<R: Sendable>(
    deadline: Deadline = .never, whenFull: QueueFullPolicy = .fail,
    name: StaticString = #function, _ body: @escaping @Sendable () throws -> R
  ) throws(EngineError) -> Ticket<R> {
    try Ticket(
      SyncCall(body), executor,
      CallOptions(place: .loop, expiry: deadline.expiry, whenFull: whenFull, name: name))
  }

  /// Submits an asynchronous body, every step of which runs on the loop thread, and does not wait
  /// for it.
  ///
  /// - Parameters:
  ///   - deadline: When the call ends with ``EngineError/timedOut(_:)`` if it has not ended before.
  ///   - whenFull: With a full queue, fail, or block until there is room.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on the loop thread; must not block.
  /// - Returns: The call's ticket. Dropping it does not end the call.
  /// - Throws: As for a synchronous body.
  public func submit<R: Sendable>(
    deadline: Deadline = .never, whenFull: QueueFullPolicy = .fail,
    name: StaticString = #function, _ body: @escaping @Sendable () async throws -> R
  ) throws(EngineError) -> Ticket<R> {
    let expiry = deadline.expiry
    return try Ticket(
      AsyncCall(expiry, body), executor,
      CallOptions(place: .loopLater, expiry: expiry, whenFull: whenFull, name: name))
  }

  /// Hands a body to the loop thread and forgets it.
  ///
  /// What one thread or one task posts and calls runs in that order.
  ///
  /// - Parameters:
  ///   - whenFull: With a full queue, fail, or block until there is room.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on the loop thread; must not block. Released without running when the
  ///     engine is stopped first.
  /// - Throws: As for `submit`.
  public func post(
    whenFull: QueueFullPolicy = .fail, name: StaticString = #function,
    _ body: @escaping @Sendable () -> Void
  ) throws(EngineError) {
    let status = Post.submit(body, name: name, to: executor, whenFull: whenFull)
    if let error = status.error { throw error }
  }
}
