internal import COutboard

/// The producer's end of a stream.
///
/// Any number of tasks and threads may send; what one of them sends arrives in order. The stream
/// ends with ``finish(throwing:)``, when the body that was given the writer returns, or when the
/// writer goes.
///
/// `@unchecked Sendable`: `sending` is protected by `monitor`; `emitter` is valid until `sending`
/// says that the stream has ended, and its functions may be called from any thread.
@safe public final class StreamWriter<Element: Sendable>: @unchecked Sendable {
  private let emitter: OpaquePointer
  private let link: StreamLink
  private let monitor = Monitor()
  private var sending = SendingState()

  init(_ emitter: OpaquePointer, _ link: StreamLink) {
    unsafe self.emitter = emitter
    self.link = link
  }

  deinit { finish() }

  // MARK: Sending

  /// Sends an element, suspending while the stream is full.
  ///
  /// - Parameter element: Delivered once, or destroyed.
  /// - Throws: ``EngineError/cancelled`` when the consumer has left, the stream's deadline has
  ///   come, the engine stops, or the current task is cancelled while it waits;
  ///   ``EngineError/invalidArgument(_:)`` after the end; ``EngineError/forked``.
  public func send(_ element: Element) async throws(EngineError) {
    try enter()
    defer { leave() }
    var item = unsafe StreamItem<Element>.wrap(element)
    defer { unsafe ob_result_free(&item) }
    while true {
      let seen = link.room.generation
      if try unsafe emit(&item) { return }
      if Task.isCancelled { throw .cancelled }
      await link.room.wait(since: seen)
    }
  }

  /// Sends an element if there is room. Never suspends or blocks.
  ///
  /// - Parameter element: Delivered once, or destroyed.
  /// - Returns: False when the stream is full: the element was not sent.
  /// - Throws: As for ``send(_:)``.
  public func trySend(_ element: Element) throws(EngineError) -> Bool {
    try enter()
    defer { leave() }
    var item = unsafe StreamItem<Element>.wrap(element)
    defer { unsafe ob_result_free(&item) }
    return try unsafe emit(&item)
  }

  /// Sends an element, blocking the calling thread while the stream is full.
  ///
  /// - Parameters:
  ///   - element: Delivered once, or destroyed.
  ///   - deadline: When to give up.
  /// - Throws: ``EngineError/timedOut(_:)``; ``EngineError/deadlock(_:)`` on a loop thread when the
  ///   stream is full; and as for ``send(_:)``.
  @available(*, noasync, message: "blocks the thread; await send(_:) in its place")
  public func sendAndWait(_ element: Element, deadline: Deadline = .never) throws(EngineError) {
    let expiry = deadline.expiry
    try enter()
    defer { leave() }
    var item = unsafe StreamItem<Element>.wrap(element)
    defer { unsafe ob_result_free(&item) }
    while try unsafe !emit(&item) {
      let status = unsafe ob_emitter_wait(emitter, expiry.remaining)
      guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
    }
  }

  /// True when what is sent is no longer wanted.
  public var isCancelled: Bool {
    guard monitor.locked({ sending.enter() }) else { return true }
    defer { leave() }
    return unsafe ob_emitter_cancelled(emitter) != 0
  }

  /// - Returns: False for want of room; the item is then still in place.
  private func emit(_ item: inout ob_result) throws(EngineError) -> Bool {
    let status = unsafe ob_emitter_emit(emitter, &item)
    if status == OB_EAGAIN.rawValue { return false }
    if status == OB_ECANCELED.rawValue { throw .cancelled }
    guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
    return true
  }

  // MARK: The end

  /// Ends the stream, after the elements sent so far. The first end counts.
  ///
  /// - Parameter error: What the consumer gets as ``EngineError/body(_:)``; nil for none.
  public func finish(throwing error: (any Error)? = nil) {
    finish(status: error == nil ? OB_OK.rawValue : CallStatus.threw, error.map { .body($0) })
  }

  /// Ends the stream with a status of the core, or with an error.
  func finish(status: Int32, _ failure: EngineError?) {
    let action = monitor.locked { () -> SendingState.Action? in
      let action = sending.finish(status)
      if action != nil { link.failure = failure }
      return action
    }
    perform(action ?? .nothing)
  }

  private func enter() throws(EngineError) {
    guard monitor.locked({ sending.enter() }) else {
      throw .invalidArgument(
        "the stream was finished; send before finish(), or before its body returns")
    }
  }

  private func leave() { perform(monitor.locked { sending.leave() }) }

  private func perform(_ action: SendingState.Action) {
    if case .end(let status) = action { unsafe _ = ob_emitter_end(emitter, status) }
  }
}
