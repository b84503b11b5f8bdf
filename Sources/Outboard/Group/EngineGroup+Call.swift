extension EngineGroup {
  /// Runs a synchronous body on the loop of one of the engines and awaits its result. See
  /// ``Engine/call(deadline:whenFull:name:_:)``.
  ///
  /// - Parameters:
  ///   - key: Calls with equal keys go to the same engine; nil: ``placement`` decides.
  ///   - deadline: When to give up.
  ///   - whenFull: With a full queue, suspend until there is room, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a loop thread; must not block.
  /// - Returns: What the body returned.
  /// - Throws: As for an engine.
  public func call<R: Sendable>(
    key: (any Hashable & Sendable)? = nil, deadline: Deadline = .never,
    whenFull: QueueFullPolicy = .wait, name: StaticString = #function,
    _ body: @escaping @Sendable () throws -> R
  ) async throws(EngineError) -> R {
    let member = place(key)
    member.begin()
    defer { member.end() }
    return try await member.engine.call(
      deadline: deadline, whenFull: whenFull, name: name, body)
  }

  /// Runs an asynchronous body, every step of it on the loop of one of the engines, and awaits its
  /// result.
  ///
  /// - Parameters:
  ///   - key: Calls with equal keys go to the same engine; nil: ``placement`` decides.
  ///   - deadline: When to give up.
  ///   - whenFull: With a full queue, suspend until there is room, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a loop thread; must not block.
  /// - Returns: What the body returned.
  /// - Throws: As for an engine.
  public func call<R: Sendable>(
    key: (any Hashable & Sendable)? = nil, deadline: Deadline = .never,
    whenFull: QueueFullPolicy = .wait, name: StaticString = #function,
    _ body: @escaping @Sendable () async throws -> R
  ) async throws(EngineError) -> R {
    let member = place(key)
    member.begin()
    defer { member.end() }
    return try await member.engine.call(
      deadline: deadline, whenFull: whenFull, name: name, body)
  }

  /// Runs a body that may block on the pool of one of the engines and awaits its result. See
  /// ``Engine/offload(deadline:whenFull:name:_:)``.
  ///
  /// - Parameters:
  ///   - key: Calls with equal keys go to the same engine's pool; nil: ``placement`` decides.
  ///   - deadline: When to give up; a body that runs is abandoned.
  ///   - whenFull: With a full queue, suspend until there is room, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a pool thread; may block.
  /// - Returns: What the body returned.
  /// - Throws: As for an engine.
  public func offload<R: Sendable>(
    key: (any Hashable & Sendable)? = nil, deadline: Deadline = .never,
    whenFull: QueueFullPolicy = .wait, name: StaticString = #function,
    _ body: @escaping @Sendable () throws -> R
  ) async throws(EngineError) -> R {
    let member = place(key)
    member.begin()
    defer { member.end() }
    return try await member.engine.offload(
      deadline: deadline, whenFull: whenFull, name: name, body)
  }
}
