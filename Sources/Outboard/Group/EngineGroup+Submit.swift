extension EngineGroup {
  /// Submits a synchronous body to the loop of one of the engines and does not wait for it. See
  /// ``Engine/submit(deadline:whenFull:name:_:)``.
  ///
  /// For ``Placement/leastLoaded`` it is under way until its body has ended, or was dropped.
  ///
  /// - Parameters:
  ///   - key: Calls with equal keys go to the same engine; nil: ``placement`` decides.
  ///   - deadline: When the call ends with ``EngineError/timedOut(_:)`` if it has not ended before.
  ///   - whenFull: With a full queue, fail, or block until there is room.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a loop thread; must not block.
  /// - Returns: The call's ticket.
  /// - Throws: As for an engine.
  public func submit<R: Sendable>(
    key: (any Hashable & Sendable)? = nil, deadline: Deadline = .never,
    whenFull: QueueFullPolicy = .fail, name: StaticString = #function,
    _ body: @escaping @Sendable () throws -> R
  ) throws(EngineError) -> Ticket<R> {
    let stay = Stay(place(key))
    return try stay.member.engine.submit(deadline: deadline, whenFull: whenFull, name: name) {
      defer { stay.end() }
      return try body()
    }
  }

  /// Submits an asynchronous body, every step of which runs on the loop of one of the engines, and
  /// does not wait for it.
  ///
  /// - Parameters:
  ///   - key: Calls with equal keys go to the same engine; nil: ``placement`` decides.
  ///   - deadline: When the call ends with ``EngineError/timedOut(_:)`` if it has not ended before.
  ///   - whenFull: With a full queue, fail, or block until there is room.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a loop thread; must not block.
  /// - Returns: The call's ticket.
  /// - Throws: As for an engine.
  public func submit<R: Sendable>(
    key: (any Hashable & Sendable)? = nil, deadline: Deadline = .never,
    whenFull: QueueFullPolicy = .fail, name: StaticString = #function,
    _ body: @escaping @Sendable () async throws -> R
  ) throws(EngineError) -> Ticket<R> {
    let stay = Stay(place(key))
    return try stay.member.engine.submit(deadline: deadline, whenFull: whenFull, name: name) {
      defer { stay.end() }
      return try await body()
    }
  }

  /// Hands a body to the loop of one of the engines and forgets it.
  ///
  /// What one thread or one task posts under one key runs in that order; without a key, order holds
  /// only among what goes to the same engine.
  ///
  /// - Parameters:
  ///   - key: Posts with equal keys go to the same engine; nil: ``placement`` decides.
  ///   - whenFull: With a full queue, fail, or block until there is room.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a loop thread; must not block.
  /// - Throws: As for an engine.
  public func post(
    key: (any Hashable & Sendable)? = nil, whenFull: QueueFullPolicy = .fail,
    name: StaticString = #function, _ body: @escaping @Sendable () -> Void
  ) throws(EngineError) {
    let stay = Stay(place(key))
    try stay.member.engine.post(whenFull: whenFull, name: name) {
      body()
      stay.end()
    }
  }
}
