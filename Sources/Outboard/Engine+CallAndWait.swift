internal import COutboard

extension Engine {
  /// Runs a body on the loop thread and blocks the calling thread until it has returned.
  ///
  /// The fastest way in: the body does not escape, nothing is allocated. On the loop thread it runs
  /// inline. It cannot be interrupted: with a full queue or a busy loop it waits as long as it
  /// takes.
  ///
  /// - Parameter body: Runs once, on the loop thread; must not block.
  /// - Returns: What the body returned.
  /// - Throws: ``EngineError/body(_:)`` with the body's error; ``EngineError/shutdown``,
  ///   ``EngineError/deadlock(_:)`` (from another engine's loop, in a cycle),
  ///   ``EngineError/outOfMemory`` (a thread's first call only), ``EngineError/forked``,
  ///   ``EngineError/broken(_:)``.
  @available(*, noasync, message: "blocks the thread; await call(_:) in its place")
  @inlinable
  @inline(__always)
  public func callAndWait<R>(_ body: () throws -> R) throws(EngineError) -> R {
    if Answer.holds(R.self) { return try unsafe answerAndWait(body) }
    var result: Result<R, any Error>?
    try runAndWait { result = Result(catching: body) }
    switch result {
    case .success(let value): return value
    case .failure(let error): throw .body(error)
    case nil: throw .shutdown
    }
  }

  /// The same where ``Answer`` holds the outcome.
  @inlinable
  @inline(__always)
  @unsafe func answerAndWait<R>(_ body: () throws -> R) throws(EngineError) -> R {
    var answer = Answer()
    try unsafe runAndWait(&answer) {
      unsafe $0.initializeMemory(as: Result<R, any Error>.self, to: Result(catching: body))
    }
    let result = unsafe withUnsafeMutableBytes(of: &answer) {
      unsafe $0.baseAddress!.assumingMemoryBound(to: Result<R, any Error>.self).move()
    }
    do { return try result.get() } catch { throw .body(error) }
  }

  @usableFromInline
  @unsafe func runAndWait(
    _ answer: UnsafeMutableRawPointer, _ body: (UnsafeMutableRawPointer) -> Void
  ) throws(EngineError) {
    let status = unsafe callAnswering(executor.handle, body, answer)
    guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
  }

  @usableFromInline
  func runAndWait(_ body: () -> Void) throws(EngineError) {
    let status = unsafe callClosure(executor.handle, body)
    guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
  }

  /// Runs a body on the loop thread and blocks the calling thread until it has returned or the
  /// deadline has come.
  ///
  /// The caller watches its own time, so that a stalled loop cannot hold it. At the deadline a
  /// queued body never runs, and one that runs is abandoned: its result is destroyed when it comes.
  /// On the loop thread the body runs inline.
  ///
  /// - Parameters:
  ///   - deadline: When to give up.
  ///   - whenFull: With a full queue, wait for room until the deadline, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on the loop thread; must not block.
  /// - Returns: What the body returned.
  /// - Throws: ``EngineError/timedOut(_:)``, ``EngineError/queueFull``, and as without deadline.
  @available(*, noasync, message: "blocks the thread; await call(deadline:_:) in its place")
  public func callAndWait<R: Sendable>(
    deadline: Deadline, whenFull: QueueFullPolicy = .wait, name: StaticString = #function,
    _ body: @escaping @Sendable () throws -> R
  ) throws(EngineError) -> R {
    if isOnLoop { return try runInline(deadline, body) }
    return try SyncCall(body).blockingOutcome(
      on: executor,
      CallOptions(place: .loop, expiry: deadline.expiry, whenFull: whenFull, name: name))
  }

  /// Runs an asynchronous body, every step of it on the loop thread, and blocks the calling thread
  /// until it has returned or the deadline has come.
  ///
  /// The body is a task of its own that prefers ``executor``. At the deadline and in a cancelling
  /// stop it is cancelled; past the deadline it is abandoned as well.
  ///
  /// - Parameters:
  ///   - deadline: When to give up. The caller watches its own time.
  ///   - whenFull: With a full queue, wait for room until the deadline, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on the loop thread; must not block.
  /// - Returns: What the body returned.
  /// - Throws: As for a synchronous body; ``EngineError/deadlock(_:)`` on the loop thread, before
  ///   anything runs.
  @available(*, noasync, message: "blocks the thread; await call(deadline:_:) in its place")
  public func callAndWait<R: Sendable>(
    deadline: Deadline = .never, whenFull: QueueFullPolicy = .wait,
    name: StaticString = #function, _ body: @escaping @Sendable () async throws -> R
  ) throws(EngineError) -> R {
    let expiry = deadline.expiry
    return try AsyncCall(expiry, body).blockingOutcome(
      on: executor,
      CallOptions(place: .loopLater, expiry: expiry, whenFull: whenFull, name: name))
  }
}
