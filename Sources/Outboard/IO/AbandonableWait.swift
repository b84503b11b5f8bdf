/// One task that waits for a result that others make.
///
/// `@unchecked Sendable`: everything belongs to the loop thread until the task is resumed.
final class AbandonableWait<R: Sendable>: LoopWait, @unchecked Sendable {
  private(set) var result: Result<R, EngineError>?
  private var hasBegun = false
  private var isGivenUp = false

  /// - Parameters:
  ///   - executor: The loop's.
  ///   - deadline: When to give up.
  init(_ executor: LoopExecutor, _ deadline: Deadline) {
    // Never without a timer: it is what tells that the loop closes.
    super.init(executor, expiry: Expiry(after: min(deadline.nanoseconds, .max / 4)))
  }

  override func begin() throws(EngineError) {
    hasBegun = true
    if result != nil { ended(nil) }
  }

  override func withdraw() { isGivenUp = true }

  /// The result is there. Any thread, once.
  func finish(_ result: Result<R, EngineError>) {
    // With the loop closed nobody waits any more.
    _ = LoopErrand.run(on: executor) {
      guard !self.isGivenUp else { return }
      self.result = result
      if self.hasBegun { self.ended(nil) }
    }
  }
}
