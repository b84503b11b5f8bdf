internal import COutboard

extension Engine {
  /// Stops the engine and blocks until its thread has ended.
  ///
  /// New calls are refused from now on. May be called more than once and by several threads; a
  /// later cancel hardens an earlier drain. Tasks on the loop whose calls are under way get to
  /// their end; jobs that come after the loop has closed run on a fallback thread.
  ///
  /// - Parameters:
  ///   - mode: What happens to work that was accepted before.
  ///   - deadline: When to stop waiting. The stop goes on; call again to wait longer.
  /// - Throws: ``EngineError/timedOut(_:)`` naming what still runs; ``EngineError/stopInProgress``
  ///   on the engine's own threads: the stop has begun; ``EngineError/forked``.
  @available(*, noasync, message: "blocks the thread; await shutdown() in its place")
  public func shutdownAndWait(
    mode: StopMode = .cancel, deadline: Deadline = .seconds(5)
  ) throws(EngineError) {
    try stop(mode, nanoseconds: deadline.nanoseconds)
  }

  /// Stops the engine and awaits the end of its thread. See
  /// ``shutdownAndWait(mode:deadline:)``.
  ///
  /// - Parameters:
  ///   - mode: What happens to work that was accepted before.
  ///   - deadline: When to stop waiting. The stop goes on; call again to wait longer.
  /// - Throws: ``EngineError/timedOut(_:)`` naming what still runs; ``EngineError/stopInProgress``
  ///   on the engine's own threads: the stop has begun; ``EngineError/forked``.
  public func shutdown(
    mode: StopMode = .cancel, deadline: Deadline = .seconds(5)
  ) async throws(EngineError) {
    let expiry = deadline.expiry
    do {
      return try stop(mode, nanoseconds: 0)
    } catch {
      switch error {
      case .timedOut, .deadlock: break  // has begun; wait for it on a thread that may block
      default: throw error
      }
    }
    let outcome = await Task(executorPreference: ThreadExecutor()) {
      Result { () throws(EngineError) in try self.stop(mode, nanoseconds: expiry.remaining) }
    }.value
    try outcome.get()
  }

  /// Stops the engine and blocks for its end, at most so long.
  func stop(_ mode: StopMode, nanoseconds: UInt64) throws(EngineError) {
    let status = unsafe ob_engine_stop(executor.handle, mode.native, nanoseconds)
    guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
  }
}
