internal import COutboard

/// One sleep on the loop's timers that can be cancelled.
///
/// `@unchecked Sendable`: `phase` and `timer` belong to the loop thread; `continuation` is set
/// before the loop is told.
@safe final class LoopSleep: @unchecked Sendable {
  /// A timer and whose it is.
  @safe private struct Timer {
    /// First, so that a pointer to it is one to the whole.
    var native = unsafe ob_timer()
    /// Held while the timer is armed.
    let sleep: LoopSleep
  }

  @safe private enum Phase {
    case idle
    case armed(UnsafeMutablePointer<Timer>)
    case ended
  }

  private let executor: LoopExecutor
  private let nanoseconds: UInt64
  private var phase = Phase.idle
  private var continuation: UnsafeContinuation<CallStatus, Never>?

  init(_ executor: LoopExecutor, nanoseconds: UInt64) {
    self.executor = executor
    self.nanoseconds = nanoseconds
  }

  /// Sleeps. Once.
  ///
  /// - Returns: Success when the time has come.
  func outcome() async -> CallStatus {
    await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { continuation in
        unsafe self.continuation = continuation
        if !LoopErrand.run(on: executor, { self.arm() }) {
          unsafe continuation.resume(returning: .ended(OB_ESHUTDOWN.rawValue))
        }
      }
    } onCancel: {
      // A closed loop has ended the sleep already.
      _ = LoopErrand.run(on: executor) { self.end(OB_ECANCELED.rawValue) }
    }
  }

  /// Loop thread. A sleep that was cancelled first has ended before it began.
  private func arm() {
    guard case .idle = phase else { return resume(OB_ECANCELED.rawValue) }
    let timer = UnsafeMutablePointer<Timer>.allocate(capacity: 1)
    unsafe timer.initialize(to: Timer(sleep: self))
    unsafe timer.pointee.native.fire = { timer, status in
      guard let timer = unsafe timer else { return }
      let owner = unsafe UnsafeMutableRawPointer(timer).assumingMemoryBound(to: Timer.self)
      unsafe owner.pointee.sleep.end(status)
    }
    unsafe phase = .armed(timer)
    unsafe ob_spi_timer_start(executor.handle, &timer.pointee.native, nanoseconds)
  }

  /// Loop thread: due, cancelled, or the loop closes.
  private func end(_ status: Int32) {
    let before = phase
    phase = .ended
    guard case .armed(let timer) = before else { return }
    _ = unsafe ob_spi_timer_stop(executor.handle, &timer.pointee.native)
    unsafe timer.deinitialize(count: 1)
    unsafe timer.deallocate()
    resume(status)
  }

  private func resume(_ status: Int32) {
    let continuation = unsafe continuation.take()
    unsafe continuation?.resume(returning: .ended(status))
  }
}
