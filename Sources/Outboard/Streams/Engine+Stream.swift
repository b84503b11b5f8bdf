extension Engine {
  /// Opens a stream whose producer is an asynchronous body, every step of it on the loop thread.
  ///
  /// The stream ends when the body returns or throws. It is cancelled when the consumer drops the
  /// stream, at the deadline, and in a cancelling stop.
  ///
  /// - Parameters:
  ///   - type: Of the elements.
  ///   - buffer: How many elements may wait, and what happens when they do.
  ///   - deadline: When the stream ends with ``EngineError/timedOut(_:)`` if it has not ended
  ///     before. It is watched by the loop.
  ///   - whenFull: With a full queue of the engine, fail, or block until there is room.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on the loop thread; must not block.
  /// - Returns: The consumer's end.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for a buffer out of range;
  ///   ``EngineError/shutdown``, ``EngineError/queueFull``, ``EngineError/outOfMemory``,
  ///   ``EngineError/timedOut(_:)`` (while waiting for room), ``EngineError/deadlock(_:)`` (the
  ///   same, on the loop thread), ``EngineError/forked``, ``EngineError/broken(_:)``.
  public func stream<Element: Sendable>(
    of type: Element.Type = Element.self, buffer: StreamBuffer = .bounded(16),
    deadline: Deadline = .never, whenFull: QueueFullPolicy = .fail,
    name: StaticString = #function,
    _ body: @escaping @Sendable (StreamWriter<Element>) async throws -> Void
  ) throws(EngineError) -> EngineStream<Element> {
    let link = StreamTask<Element>(body)
    let options = CallOptions(
      place: .loopLater, expiry: deadline.expiry, whenFull: whenFull, name: name)
    let (stream, _) = try unsafe link.open(on: executor, buffer, options, producing: true)
    return unsafe EngineStream(stream, link)
  }

  /// Opens a stream whose producer is whoever has the writer: a host's thread that feeds the loop,
  /// say.
  ///
  /// A cancelling stop ends it and does not wait for the writer; a draining one does.
  ///
  /// - Parameters:
  ///   - type: Of the elements.
  ///   - buffer: How many elements may wait, and what happens when they do.
  ///   - deadline: When the stream ends with ``EngineError/timedOut(_:)`` if it has not ended
  ///     before. It is watched by the loop.
  ///   - whenFull: With a full queue of the engine, fail, or block until there is room.
  ///   - name: For the report of a stop that has to wait for it.
  /// - Returns: Both ends.
  /// - Throws: As for ``stream(of:buffer:deadline:whenFull:name:_:)``.
  public func channel<Element: Sendable>(
    of type: Element.Type = Element.self, buffer: StreamBuffer = .bounded(16),
    deadline: Deadline = .never, whenFull: QueueFullPolicy = .fail,
    name: StaticString = #function
  ) throws(EngineError) -> (stream: EngineStream<Element>, writer: StreamWriter<Element>) {
    let link = StreamLink()
    let options = CallOptions(
      place: .loopLater, expiry: deadline.expiry, whenFull: whenFull, name: name)
    let ends = try unsafe link.open(on: executor, buffer, options, producing: false)
    let stream = unsafe EngineStream<Element>(ends.stream, link)
    guard let emitter = unsafe ends.emitter else {
      preconditionFailure("Outboard: a channel without its writer")
    }
    return (stream, unsafe StreamWriter(emitter, link))
  }

  /// Runs an asynchronous body on the loop thread with an asynchronous sequence as its input.
  ///
  /// The sequence is read ahead, on the loop too, as far as the buffer has room; when the body
  /// returns, that is cancelled.
  ///
  /// - Parameters:
  ///   - input: Read once, to its end or until the body returns.
  ///   - buffer: How many elements may wait, and what happens when they do.
  ///   - deadline: When to give up. It is watched by the loop.
  ///   - whenFull: With a full queue, suspend until there is room, or fail.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - body: Runs once, on the loop thread; must not block. An error of the sequence reaches it as
  ///     ``EngineError/body(_:)``.
  /// - Returns: What the body returned.
  /// - Throws: As for `call`, and ``EngineError/invalidArgument(_:)`` for a buffer out of range.
  public func call<Input: AsyncSequence & Sendable, R: Sendable>(
    consuming input: Input, buffer: StreamBuffer = .bounded(16), deadline: Deadline = .never,
    whenFull: QueueFullPolicy = .wait, name: StaticString = #function,
    _ body: @escaping @Sendable (EngineStream<Input.Element>) async throws -> R
  ) async throws(EngineError) -> R where Input.Element: Sendable {
    try await call(deadline: deadline, whenFull: whenFull, name: name) {
      let stream = try self.stream(of: Input.Element.self, buffer: buffer, name: name) { writer in
        for try await element in input { try await writer.send(element) }
      }
      return try await body(stream)
    }
  }
}
