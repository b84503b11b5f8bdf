extension Engine {
  /// Runs a synchronous body on the loop thread and awaits its result.
  ///
  /// On the loop thread it runs inline, without suspending. Cancelling the awaiting task cancels
  /// the call: a queued body never runs, one that runs ends by itself (``isCallCancelled``).
  ///
  /// - Parameters:
  ///   - deadline: When to give up. It is watched by the loop: a body that blocks the loop delays
  ///     it. A caller blocked in `callAndWait` watches its own.
  ///   - whenFull: With a full queue, suspend until there is room, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on the loop thread; must not block.
  /// - Returns: What the body returned.
  /// - Throws: ``EngineError/body(_:)`` with the body's error; ``EngineError/timedOut(_:)``,
  ///   ``EngineError/cancelled``, ``EngineError/shutdown``, ``EngineError/queueFull``,
  ///   ``EngineError/outOfMemory``, ``EngineError/forked``, ``EngineError/broken(_:)``.
  @inlinable
  public func call<R: Sendable>(
    deadline: Deadline = .never, whenFull: QueueFullPolicy = .wait,
    name: StaticString = #function, _ body: @escaping @Sendable () throws -> R
  ) async throws(EngineError) -> R {
    if isOnLoop { return try runInline(deadline, body) }
    return try await callAcross(deadline, whenFull, name, body)
  }

  @inlinable
  func callAcross<R: Sendable>(
    _ deadline: Deadline, _ whenFull: QueueFullPolicy, _ name: StaticString,
    _ body: @escaping @Sendable () throws -> R
  ) async throws(EngineError) -> R {
    let expiry = deadline.expiry
    if expiry.isNever { return try await hop(whenFull, name, body) }
    return try await callUntil(expiry, whenFull, name, body)
  }

  @inlinable
  func hop<R: Sendable>(
    _ whenFull: QueueFullPolicy, _ name: StaticString, _ body: @escaping @Sendable () throws -> R
  ) async throws(EngineError) -> R {
    // Written by the loop before the hop ends, read after it has ended.
    nonisolated(unsafe) var result: Result<R, EngineError>?
    let hop = Hop(name) { hop in
      do {
        unsafe result = .success(try body())
      } catch {
        unsafe result = .failure(hop.error(ofBody: error))
      }
    }
    if let error = await hop.outcome(on: executor, whenFull).error { throw error }
    switch unsafe result {
    case .success(let value): return value
    case .failure(let error): throw error
    case nil: preconditionFailure("Outboard: a hop ended without its result")
    }
  }

  @usableFromInline
  func callUntil<R: Sendable>(
    _ expiry: Expiry, _ whenFull: QueueFullPolicy, _ name: StaticString,
    _ body: @escaping @Sendable () throws -> R
  ) async throws(EngineError) -> R {
    try await SyncCall(body).outcome(
      on: executor, CallOptions(place: .loop, expiry: expiry, whenFull: whenFull, name: name))
  }

  /// Runs an asynchronous body, every step of it on the loop thread, and awaits its result.
  ///
  /// The body is a task of its own that prefers ``executor``: what it awaits may be elsewhere, it
  /// comes back. Without a deadline, a task on the loop runs the body itself. Cancelling the
  /// awaiting task cancels the body; at the deadline and in a cancelling stop the body is cancelled
  /// too, and abandoned if it goes on. Task-local values reach it only in the former case: to keep
  /// them, use `withTaskExecutorPreference(engine.executor)`.
  ///
  /// - Parameters:
  ///   - deadline: When to give up; holds for what the body does too, as in
  ///     ``withDeadline(_:_:)``. It is watched by the loop.
  ///   - whenFull: With a full queue, suspend until there is room, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on the loop thread; must not block.
  /// - Returns: What the body returned.
  /// - Throws: As for a synchronous body.
  public func call<R: Sendable>(
    deadline: Deadline = .never, whenFull: QueueFullPolicy = .wait,
    name: StaticString = #function, _ body: @escaping @Sendable () async throws -> R
  ) async throws(EngineError) -> R {
    if isOnLoop, deadline.isNever { return try await runInline(body) }
    let expiry = deadline.expiry
    return try await AsyncCall(expiry, body).outcome(
      on: executor,
      CallOptions(place: .loopLater, expiry: expiry, whenFull: whenFull, name: name))
  }

  /// True in a body whose answer is no longer wanted: cancelled, timed out, or stopped.
  ///
  /// For synchronous bodies that take long, on the pool above all. In an asynchronous body it is
  /// the same as `Task.isCancelled`.
  public static var isCallCancelled: Bool { CurrentRequest.isCancelled || Task.isCancelled }

  /// Runs a body on the loop thread, which the caller is on.
  @inlinable
  func runInline<R>(_ deadline: Deadline, _ body: () throws -> R) throws(EngineError) -> R {
    if !deadline.isNever, deadline.remaining == .zero { throw .timedOut(nil) }
    if Task.isCancelled { throw .cancelled }
    do { return try body() } catch { throw EngineError(ofBody: error) }
  }

  /// Runs a body in the current task, which is on the loop.
  private func runInline<R: Sendable>(
    _ body: @Sendable () async throws -> R
  ) async throws(EngineError) -> R {
    if Task.isCancelled { throw .cancelled }
    do {
      if executor.isPreferred { return try await body() }
      return try await withTaskExecutorPreference(executor) { try await body() }
    } catch {
      throw EngineError(ofBody: error)
    }
  }
}

extension EngineError {
  /// The error of a body that ran inside the current task.
  @usableFromInline
  init(ofBody error: any Error) {
    self = Task.isCancelled && Self.isCancellation(error) ? .cancelled : .body(error)
  }
}
