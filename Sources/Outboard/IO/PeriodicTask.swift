/// Work that is done again and again on a loop. See ``Engine/every(_:first:_:)``.
///
/// It is cancelled when the last reference goes.
public final class PeriodicTask: Sendable {
  private let task: Task<EngineError?, Never>

  init(_ task: Task<EngineError?, Never>) { self.task = task }

  deinit { task.cancel() }

  /// Asks it to end: a body that is suspended sees the cancellation of its task. Any thread.
  public func cancel() { task.cancel() }

  /// Awaits the end.
  ///
  /// - Throws: Why it has ended: ``EngineError/body(_:)`` with what the body threw,
  ///   ``EngineError/cancelled`` or ``EngineError/shutdown``.
  public func end() async throws(EngineError) {
    if let error = await task.value { throw error }
  }
}
