extension Engine {
  /// Suspends until a descriptor has something to read: bytes, a connection, its end, or an error.
  ///
  /// For a library in C that shows its socket: wait here, then let it read. The descriptor stays
  /// the caller's, in the mode it is in. At most one task may wait to read and one to write.
  ///
  /// Before `close(2)`, call ``endWaits(for:)`` if somebody may be waiting: the system forgets a
  /// closed descriptor without a word, and the wait would last until its deadline.
  ///
  /// - Parameters:
  ///   - descriptor: A socket, pipe, terminal, eventfd, pidfd or the like; not a regular file.
  ///   - deadline: When to give up.
  /// - Throws: ``EngineError/busy(_:)`` when somebody waits for the same already,
  ///   ``EngineError/invalidArgument(_:)`` for what cannot be waited for, ``EngineError/io(_:)``,
  ///   ``EngineError/closed(_:)``, ``EngineError/timedOut(_:)``, ``EngineError/cancelled``,
  ///   ``EngineError/shutdown``, ``EngineError/system(_:)`` when the loop has no descriptors of its
  ///   own yet and there are none.
  public func readable(
    _ descriptor: Int32, deadline: Deadline = .never
  ) async throws(EngineError) {
    try await executor.wait(for: descriptor, .read, deadline)
  }

  /// Suspends until a descriptor takes bytes again, or has an error. See
  /// ``readable(_:deadline:)``.
  ///
  /// - Parameters:
  ///   - descriptor: A socket, pipe, terminal, eventfd or the like; not a regular file.
  ///   - deadline: When to give up.
  /// - Throws: As for ``readable(_:deadline:)``.
  public func writable(
    _ descriptor: Int32, deadline: Deadline = .never
  ) async throws(EngineError) {
    try await executor.wait(for: descriptor, .write, deadline)
  }

  /// Ends all waits for a descriptor with ``EngineError/closed(_:)``; it may then be closed.
  ///
  /// - Parameter descriptor: The descriptor.
  /// - Returns: How many tasks waited.
  @discardableResult
  public func endWaits(for descriptor: Int32) async -> Int {
    let executor = executor
    let count = await executor.ask {
      executor.io?.forget(descriptor, "the waits for descriptor \(descriptor) were ended")
    }
    return (count ?? nil) ?? 0
  }
}

extension LoopExecutor {
  /// Waits for a descriptor of the user's.
  fileprivate func wait(
    for descriptor: Int32, _ direction: IODirection, _ deadline: Deadline
  ) async throws(EngineError) {
    guard descriptor >= 0 else {
      throw .invalidArgument("\(descriptor) is no descriptor: one that could not be opened?")
    }
    if Task.isCancelled { throw .cancelled }
    if deadline.remaining == .zero { throw .timedOut(nil) }
    let wait = DescriptorWait(
      self, fd: descriptor, direction: direction, expiry: deadline.expiry)
    if let error = await wait.outcome() { throw error }
  }
}
