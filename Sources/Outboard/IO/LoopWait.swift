internal import COutboard

/// One task that waits for something on the loop, until its deadline or its cancellation.
///
/// A task that is elsewhere comes to the loop to wait, and goes back: as many hops as an errand and
/// its answer. So the continuation is made and resumed on one thread. Resumed by another one, it may
/// be before its task has suspended, where ThreadSanitizer sees a race, as the runtime does not
/// annotate that path.
///
/// `@unchecked Sendable`: `phase`, `timer` and `continuation` belong to the loop thread.
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
  private var continuation: UnsafeContinuation<EngineError?, Never>?

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
    if executor.isOnLoop { return await outcomeHere() }
    do throws(EngineError) { try executor.checkOpen() } catch { return error }
    return await outcomeThere()
  }

  @concurrent private func outcomeThere() async -> EngineError? {
    await withTaskExecutorPreference(executor) { await outcomeHere() }
  }

  /// Loop thread; the fallback thread once the loop has closed.
  private func outcomeHere() async -> EngineError? {
    guard executor.isOnLoop else { return .shutdown }
    return await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { continuation in
        unsafe self.continuation = continuation
        start()
      }
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
    let continuation = unsafe continuation.take()
    unsafe continuation?.resume(returning: error)
  }
}
