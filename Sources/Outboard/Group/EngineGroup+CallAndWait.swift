extension EngineGroup {
  /// Runs a body on the loop of one of the engines and blocks the calling thread until it has
  /// returned. See ``Engine/callAndWait(_:)``.
  ///
  /// - Parameters:
  ///   - key: Calls with equal keys go to the same engine; nil: ``placement`` decides.
  ///   - body: Runs once, on a loop thread; must not block.
  /// - Returns: What the body returned.
  /// - Throws: As for an engine.
  @available(*, noasync, message: "blocks the thread; await call(_:) in its place")
  public func callAndWait<R>(
    key: (any Hashable & Sendable)? = nil, _ body: () throws -> R
  ) throws(EngineError) -> R {
    let member = placeBlocking(key)
    member.begin()
    defer { member.end() }
    return try member.engine.callAndWait(body)
  }

  /// Runs a body on the loop of one of the engines and blocks the calling thread until it has
  /// returned or the deadline has come.
  ///
  /// - Parameters:
  ///   - key: Calls with equal keys go to the same engine; nil: ``placement`` decides.
  ///   - deadline: When to give up. The caller watches its own time.
  ///   - whenFull: With a full queue, wait for room until the deadline, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a loop thread; must not block.
  /// - Returns: What the body returned.
  /// - Throws: As for an engine.
  @available(*, noasync, message: "blocks the thread; await call(deadline:_:) in its place")
  public func callAndWait<R: Sendable>(
    key: (any Hashable & Sendable)? = nil, deadline: Deadline, whenFull: QueueFullPolicy = .wait,
    name: StaticString = #function, _ body: @escaping @Sendable () throws -> R
  ) throws(EngineError) -> R {
    let member = placeBlocking(key)
    member.begin()
    defer { member.end() }
    return try member.engine.callAndWait(
      deadline: deadline, whenFull: whenFull, name: name, body)
  }

  /// Runs an asynchronous body, every step of it on the loop of one of the engines, and blocks the
  /// calling thread until it has returned or the deadline has come.
  ///
  /// - Parameters:
  ///   - key: Calls with equal keys go to the same engine; nil: ``placement`` decides.
  ///   - deadline: When to give up. The caller watches its own time.
  ///   - whenFull: With a full queue, wait for room until the deadline, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a loop thread; must not block.
  /// - Returns: What the body returned.
  /// - Throws: As for an engine; ``EngineError/deadlock(_:)`` on one of the group's loops, as the
  ///   call would stay there.
  @available(*, noasync, message: "blocks the thread; await call(deadline:_:) in its place")
  public func callAndWait<R: Sendable>(
    key: (any Hashable & Sendable)? = nil, deadline: Deadline = .never,
    whenFull: QueueFullPolicy = .wait, name: StaticString = #function,
    _ body: @escaping @Sendable () async throws -> R
  ) throws(EngineError) -> R {
    let member = placeBlocking(key)
    member.begin()
    defer { member.end() }
    return try member.engine.callAndWait(
      deadline: deadline, whenFull: whenFull, name: name, body)
  }

  /// Runs a body that may block on the pool of one of the engines and blocks the calling thread
  /// until it has returned or the deadline has come.
  ///
  /// - Parameters:
  ///   - key: Calls with equal keys go to the same engine's pool; nil: ``placement`` decides.
  ///   - deadline: When to give up; a body that runs is abandoned.
  ///   - whenFull: With a full queue, wait for room until the deadline, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a pool thread; may block.
  /// - Returns: What the body returned.
  /// - Throws: As for an engine.
  @available(*, noasync, message: "blocks the thread; await offload(_:) in its place")
  public func offloadAndWait<R: Sendable>(
    key: (any Hashable & Sendable)? = nil, deadline: Deadline = .never,
    whenFull: QueueFullPolicy = .wait, name: StaticString = #function,
    _ body: @escaping @Sendable () throws -> R
  ) throws(EngineError) -> R {
    let member = placeBlocking(key)
    member.begin()
    defer { member.end() }
    return try member.engine.offloadAndWait(
      deadline: deadline, whenFull: whenFull, name: name, body)
  }
}
