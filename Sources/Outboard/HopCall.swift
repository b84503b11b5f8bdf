/// A hop that yields an `R`.
///
/// Inlinable, so that the caller's compiler knows `R`: to look up the metadata of generic types at
/// each call took a third of its time.
///
/// `@unchecked Sendable`: `result` is written by the loop before the hop ends and read after it has
/// ended; the core's state word orders the two.
@usableFromInline
final class HopCall<R: Sendable>: Hop, @unchecked Sendable {
  @usableFromInline
  let body: @Sendable () throws -> R
  @usableFromInline
  var result: Result<R, EngineError>?

  @inlinable
  init(_ body: @escaping @Sendable () throws -> R, _ name: StaticString) {
    self.body = body
    super.init(name)
  }

  @inlinable
  override func run() {
    do {
      result = .success(try body())
    } catch {
      // A body that ends because it was cancelled says so by throwing.
      result = .failure(
        isCancelled && EngineError.isCancellation(error) ? .cancelled : .body(error))
    }
  }

  /// Submits the hop and awaits its outcome.
  ///
  /// With a full queue it lets what is queued go first, then tries again, unless it is not to wait.
  @inlinable
  func outcome(
    on executor: LoopExecutor, _ whenFull: QueueFullPolicy
  ) async throws(EngineError) -> R {
    while true {
      let status = await submitAndAwait(to: executor)
      guard status.wantsRoom, whenFull == .wait else { return try value(status) }
      await executor.passThrough()
    }
  }

  @inlinable
  func value(_ status: CallStatus) throws(EngineError) -> R {
    if let error = status.error { throw error }
    switch result {
    case .success(let value): return value
    case .failure(let error): throw error
    case nil: preconditionFailure("Outboard: a hop ended without its result")
    }
  }
}
