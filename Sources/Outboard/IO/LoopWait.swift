internal import COutboard
internal import Synchronization

/// One task that waits for something on the loop, until its deadline or its cancellation.
///
/// The outcome does not go through the continuation: where that is resumed before its task has
/// suspended, ThreadSanitizer sees a race, as the runtime does not annotate that path. So it is
/// written here, and `done` orders it, and whatever a subclass wrote before, for the task.
///
/// `@unchecked Sendable`: `phase`, `timer` and `error` belong to the loop thread until `done`;
/// `continuation` is set before the loop is told.
@safe class LoopWait: @unchecked Sendable {
  private enum Phase {
    case idle
    case waiting
    case ended
  }

  final let executor: LoopExecutor
  private let expiry: Expiry
  private var phase = Phase.idle
  private var timer: LoopTimer?
  private var continuation: UnsafeContinuation<Void, Never>?
  private var error: EngineError?
  private let done = Atomic<Bool>(false)

  /// - Parameters:
  ///   - executor: The loop's.
  ///   - expiry: When to give up.
  init(_ executor: LoopExecutor, expiry: Expiry) {
    self.executor = executor
    self.expiry = expiry
  }

  // MARK: For subclasses

  /// Begins to wait: from now on somebody has to call `ended`. Loop thread, once.
  ///
  /// - Throws: Why it has not begun; `ended` need not be called then.
  func begin() throws(EngineError) {
    preconditionFailure("a LoopWait that waits for nothing")
  }

  /// Nobody need call `ended` any more. Loop thread, once at most, after `begin`.
  func withdraw() {}

  // MARK: The wait

  /// Waits. Once.
  ///
  /// - Returns: Nil when what it waited for has come.
  final func outcome() async -> EngineError? {
    await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { continuation in
        unsafe self.continuation = continuation
        let status = LoopErrand.status(on: executor) { self.start() }
        if status != OB_OK.rawValue { resume(EngineError(status: status, detail: nil)) }
      }
      return done.load(ordering: .acquiring) ? error : .shutdown
    } onCancel: {
      // A closed loop has ended the wait already.
      _ = LoopErrand.run(on: executor) { self.giveUp(.cancelled) }
    }
  }

  /// Loop thread. A wait that was cancelled first has ended before it began.
  private func start() {
    guard case .idle = phase else { return resume(.cancelled) }
    phase = .waiting
    do { try begin() } catch { return ended(error) }
    let left = expiry.remaining
    guard left != .max, case .waiting = phase else { return }
    timer = LoopTimer(executor) { [self] status in
      giveUp(status == OB_OK.rawValue ? .timedOut(nil) : .shutdown)
    }
    timer?.start(after: left)
  }

  /// Loop thread: cancelled, out of time, or the loop closes.
  private func giveUp(_ error: EngineError) {
    if case .waiting = phase { withdraw() }
    ended(error)
  }

  /// The wait is over. Loop thread; once counts.
  ///
  /// - Parameter error: Nil when what it waited for has come.
  final func ended(_ error: EngineError?) {
    let before = phase
    phase = .ended
    timer?.stop()
    timer = nil
    guard case .waiting = before else { return }
    resume(error)
  }

  private func resume(_ error: EngineError?) {
    guard let continuation = unsafe continuation.take() else { return }
    self.error = error
    done.store(true, ordering: .releasing)
    unsafe continuation.resume()
  }
}
