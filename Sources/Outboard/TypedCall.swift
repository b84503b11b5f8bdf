internal import COutboard

/// A call that yields an `R`.
///
/// `@unchecked Sendable`: `result` is written by the body's side before it answers, and read only
/// after the call has ended with that answer; the core's completion orders the two.
class TypedCall<R: Sendable>: NativeCall, @unchecked Sendable {
  private var result: Result<R, any Error>?

  /// Answers a request with what the body made. A result that nobody wants any more is destroyed.
  final func answer(_ request: OpaquePointer, _ result: Result<R, any Error>) {
    self.result = result
    let status = unsafe status(of: result, for: request)
    if unsafe ob_complete(request, status, ob_result_none()) != OB_OK.rawValue {
      self.result = nil
    }
  }

  /// A body that ends because it was cancelled says so by throwing.
  private func status(of result: Result<R, any Error>, for request: OpaquePointer) -> Int32 {
    guard case .failure(let error) = result else { return OB_OK.rawValue }
    let cancelled = unsafe ob_request_cancelled(request) != 0 && EngineError.isCancellation(error)
    return cancelled ? OB_ECANCELED.rawValue : CallStatus.threw
  }

  /// What a call that ended with this status yields.
  final func value(_ status: CallStatus) throws(EngineError) -> R {
    if let error = status.error { throw error }
    switch result {
    case .success(let value): return value
    case .failure(let error): throw .body(error)
    case nil: preconditionFailure("Outboard: a call ended without its result")
    }
  }

  /// Submits the call and awaits its outcome.
  ///
  /// With a full queue it lets what is queued go first, then tries again, unless it is not to wait.
  final func outcome(
    on executor: LoopExecutor, _ options: CallOptions
  ) async throws(EngineError) -> R {
    while true {
      let status = await submitAndAwait(to: executor, options.withoutWaiting)
      guard status.wantsRoom, options.whenFull == .wait else { return try value(status) }
      await executor.passThrough()
    }
  }

  /// Submits the call and blocks until it has ended.
  final func blockingOutcome(
    on executor: LoopExecutor, _ options: CallOptions
  ) throws(EngineError) -> R {
    try value(submitAndBlock(on: executor, options))
  }
}

extension EngineError {
  /// What a predicate on errors is to see: of the error of a call's body, the body's own.
  static func cause(of error: any Error) -> any Error {
    if case .body(let inner)? = error as? EngineError { return cause(of: inner) }
    return error
  }

  /// Whether an error only says that its task or call was cancelled.
  static func isCancellation(_ error: any Error) -> Bool {
    if error is CancellationError { return true }
    if case .cancelled? = error as? EngineError { return true }
    return false
  }
}

extension LoopExecutor {
  /// Lets everything go first that is queued now.
  @concurrent func passThrough() async {
    await withTaskExecutorPreference(self) {}
  }
}
