extension Engine {
  /// Runs a body that may block on the engine's pool of threads and awaits its result.
  ///
  /// Cancelling the awaiting task cancels the call: a body that waits for a thread never runs, one
  /// that runs sees it (``isCallCancelled``) and is awaited.
  ///
  /// - Parameters:
  ///   - deadline: When to give up; a body that runs is abandoned. It is watched by the loop.
  ///   - whenFull: With a full queue, suspend until there is room, or fail. When too many jobs wait
  ///     for a thread it fails in any case.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a pool thread; may block, in calls to engines too.
  /// - Returns: What the body returned.
  /// - Throws: As for `call`; ``EngineError/system(_:)``
  ///   when no thread is to be had.
  public func offload<R: Sendable>(
    deadline: Deadline = .never, whenFull: QueueFullPolicy = .wait,
    name: StaticString = #function, _ body: @escaping @Sendable () throws -> R
  ) async throws(EngineError) -> R {
    try await SyncCall(body).outcome(
      on: executor,
      CallOptions(place: .pool, expiry: deadline.expiry, whenFull: whenFull, name: name))
  }

  /// Runs a body that may block on the engine's pool of threads and blocks the calling thread until
  /// it has returned or the deadline has come.
  ///
  /// - Parameters:
  ///   - deadline: When to give up; a body that runs is abandoned. The caller watches its own time.
  ///   - whenFull: With a full queue, wait for room until the deadline, or fail. When too many jobs
  ///     wait for a thread it fails in any case.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on a pool thread; may block, in calls to engines too.
  /// - Returns: What the body returned.
  /// - Throws: As for `callAndWait`;
  ///   ``EngineError/deadlock(_:)`` on the loop thread; ``EngineError/system(_:)`` when no thread
  ///   is to be had.
  @available(*, noasync, message: "blocks the thread; await offload(_:) in its place")
  public func offloadAndWait<R: Sendable>(
    deadline: Deadline = .never, whenFull: QueueFullPolicy = .wait,
    name: StaticString = #function, _ body: @escaping @Sendable () throws -> R
  ) throws(EngineError) -> R {
    try SyncCall(body).blockingOutcome(
      on: executor,
      CallOptions(place: .pool, expiry: deadline.expiry, whenFull: whenFull, name: name))
  }
}
