/// A hop that yields an `R`.
///
/// `@unchecked Sendable`: `result` is written by the loop before the hop ends and read after it has
/// ended; the core's state word orders the two.
final class HopCall<R: Sendable>: Hop, @unchecked Sendable {
  private let body: @Sendable () throws -> R
  private let options: CallOptions
  private var result: Result<R, EngineError>?

  init(_ body: @escaping @Sendable () throws -> R, _ options: CallOptions) {
    self.body = body
    self.options = options
    super.init(options)
  }

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
  func outcome(on executor: LoopExecutor) async throws(EngineError) -> R {
    while true {
      let status = await submitAndAwait(to: executor)
      guard status.wantsRoom, options.whenFull == .wait else { return try value(status) }
      await executor.passThrough()
    }
  }

  private func value(_ status: CallStatus) throws(EngineError) -> R {
    if let error = status.error { throw error }
    switch result {
    case .success(let value): return value
    case .failure(let error): throw error
    case nil: preconditionFailure("Outboard: a hop ended without its result")
    }
  }
}
