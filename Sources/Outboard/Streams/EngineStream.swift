internal import COutboard

/// A call that answers with many values: the consumer's end.
///
/// Elements are taken by `for try await`, or by a blocked thread with ``next(deadline:)``; by
/// several of them, each element goes to one. When the last reference goes, iterators included, the
/// elements left are destroyed and the producer is cancelled.
///
/// `@unchecked Sendable`: `native` is a stream of the core, whose functions may be called from any
/// thread; it is valid as long as this object.
@safe public final class EngineStream<Element: Sendable>: AsyncSequence, @unchecked Sendable {
  private let native: OpaquePointer
  private let link: StreamLink

  init(_ native: OpaquePointer, _ link: StreamLink) {
    unsafe self.native = native
    self.link = link
  }

  deinit { unsafe ob_stream_release(native) }

  /// Takes elements one by one.
  public struct Iterator: AsyncIteratorProtocol {
    private let stream: EngineStream

    init(_ stream: EngineStream) { self.stream = stream }

    /// The next element, suspending until it comes.
    ///
    /// - Parameter actor: Where the caller is; not left but to suspend.
    /// - Returns: The element; nil after the last one.
    /// - Throws: ``EngineError/body(_:)`` with the producer's error; ``EngineError/timedOut(_:)``
    ///   after the stream's deadline; ``EngineError/shutdown`` after the engine's stop;
    ///   ``EngineError/cancelled`` when the current task is; ``EngineError/forked``.
    public func next(
      isolation actor: isolated (any Actor)? = #isolation
    ) async throws(EngineError) -> Element? {
      try await stream.next()
    }

    /// The next element, suspending until it comes.
    ///
    /// - Returns: The element; nil after the last one.
    /// - Throws: As for ``next(isolation:)``.
    public func next() async throws(EngineError) -> Element? { try await stream.next() }
  }

  /// An iterator. Any number of them share the elements.
  ///
  /// - Returns: The iterator, which holds the stream.
  public func makeAsyncIterator() -> Iterator { Iterator(self) }

  /// Takes the next element, blocking the calling thread until it comes.
  ///
  /// - Parameter deadline: When to stop waiting. That does not end the stream.
  /// - Returns: The element; nil after the last one.
  /// - Throws: ``EngineError/timedOut(_:)`` when nothing came in time, or after the stream's own
  ///   deadline; ``EngineError/deadlock(_:)`` on its loop thread, unless an element is there; and
  ///   what ended the stream, as for the iterator.
  @available(*, noasync, message: "blocks the thread; use for try await in its place")
  public func next(deadline: Deadline = .never) throws(EngineError) -> Element? {
    var (out, ended) = unsafe (ob_result_none(), Int32(0))
    let status = unsafe ob_stream_next(native, deadline.nanoseconds, &out, &ended)
    return try unsafe value(status, out, ended)
  }

  /// Hands every element to a closure, blocking the calling thread until the stream has ended.
  ///
  /// - Parameters:
  ///   - deadline: When to stop waiting. That does not end the stream.
  ///   - body: Runs on the calling thread for each element.
  /// - Throws: ``EngineError/body(_:)`` with the closure's error, which stops the iteration; and as
  ///   for ``next(deadline:)``.
  @available(*, noasync, message: "blocks the thread; use for try await in its place")
  public func forEachAndWait(
    deadline: Deadline = .never, _ body: (Element) throws -> Void
  ) throws(EngineError) {
    let expiry = deadline.expiry
    while let element = try next(deadline: .after(nanoseconds: expiry.remaining)) {
      do { try body(element) } catch { throw .body(error) }
    }
  }

  fileprivate func next() async throws(EngineError) -> Element? {
    while true {
      let seen = link.ready.generation
      var (out, ended) = unsafe (ob_result_none(), Int32(0))
      let status = unsafe ob_stream_try_next(native, &out, &ended)
      guard status == OB_EAGAIN.rawValue else { return try unsafe value(status, out, ended) }
      if Task.isCancelled { throw .cancelled }
      await link.ready.wait(since: seen)
    }
  }

  private func value(
    _ status: Int32, _ out: ob_result, _ ended: Int32
  ) throws(EngineError) -> Element? {
    switch status {
    case OB_OK.rawValue: return unsafe StreamItem<Element>.unwrap(out)
    case OB_EEND.rawValue where ended == OB_OK.rawValue: return nil
    case OB_EEND.rawValue where ended == CallStatus.threw: throw link.failure ?? .cancelled
    case OB_EEND.rawValue: throw EngineError(status: ended, detail: nil)
    default: throw EngineError(returned: status)
    }
  }
}

extension Deadline {
  fileprivate static func after(nanoseconds: UInt64) -> Deadline {
    nanoseconds == .max ? .never : .after(Duration(nanosecondCount: nanoseconds))
  }
}
