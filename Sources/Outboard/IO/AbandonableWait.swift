/// One task that waits for a result that others make.
///
/// `@unchecked Sendable`: everything belongs to the loop thread until the task is resumed.
final class AbandonableWait<R: Sendable>: LoopWait, @unchecked Sendable {
  private(set) var result: Result<R, EngineError>?
  private var hasBegun = false
  private var isGivenUp = false
  private let dropped: @Sendable (R) -> Void

  /// - Parameters:
  ///   - executor: The loop's.
  ///   - deadline: When to give up.
  ///   - dropped: Gets a result that nobody waits for any more.
  init(
    _ executor: LoopExecutor, _ deadline: Deadline, _ dropped: @escaping @Sendable (R) -> Void
  ) {
    self.dropped = dropped
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
    // With the loop closed nobody waits any more, and the result goes with its last reference.
    _ = LoopErrand.run(on: executor) {
      guard !self.isGivenUp else {
        if case .success(let value) = result { self.dropped(value) }
        return
      }
      self.result = result
      if self.hasBegun { self.ended(nil) }
    }
  }
}
