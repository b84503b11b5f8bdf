/// A submitted call: to be waited for, awaited, polled, or cancelled, by any number of threads and
/// tasks. It outlives its engine.
public final class Ticket<R: Sendable>: Sendable {
  private let call: TypedCall<R>

  init(
    _ call: TypedCall<R>, _ executor: LoopExecutor, _ options: CallOptions
  ) throws(EngineError) {
    self.call = call
    let status = call.submit(to: executor, options)
    if let error = status.error { throw error }
  }

  /// Blocks until the call has ended.
  ///
  /// - Parameter deadline: When to stop waiting. That does not end the call.
  /// - Returns: What the body returned.
  /// - Throws: ``EngineError/body(_:)`` with the body's error; ``EngineError/timedOut(_:)`` when
  ///   the call or the wait did; ``EngineError/deadlock(_:)`` when it has not ended and this is its
  ///   loop thread; else what ended the call.
  @available(*, noasync, message: "blocks the thread; await value in its place")
  public func wait(deadline: Deadline = .never) throws(EngineError) -> R {
    try call.value(call.poll() ?? call.block(nanoseconds: deadline.nanoseconds))
  }

  /// What the body returned, when the call has ended.
  ///
  /// Cancelling the awaiting task cancels the call.
  ///
  /// - Throws: ``EngineError/body(_:)`` with the body's error, or what ended the call.
  public var value: R {
    get async throws(EngineError) {
      if let status = call.poll() { return try call.value(status) }
      return try call.value(await call.awaitEnd())
    }
  }

  /// What the body returned; nil while the call has not ended.
  ///
  /// - Returns: The value, or nil.
  /// - Throws: ``EngineError/body(_:)`` with the body's error, or what ended the call.
  public func poll() throws(EngineError) -> R? {
    guard let status = call.poll() else { return nil }
    return try call.value(status)
  }

  /// True once the call has ended.
  public var hasEnded: Bool { call.poll() != nil }

  /// Asks the call to end: a queued body never runs, an asynchronous one that runs is cancelled, a
  /// synchronous one that runs ends by itself (``Engine/isCallCancelled``).
  ///
  /// - Returns: False when the call has ended already.
  @discardableResult
  public func cancel() -> Bool { call.cancel() }
}
