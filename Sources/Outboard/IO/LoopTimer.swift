internal import COutboard

/// A timer of the loop's wheel with a closure.
///
/// Belongs to the loop thread. While it is armed it holds itself.
@safe final class LoopTimer {
  /// A timer and whose it is.
  @safe private struct Record {
    /// First, so that a pointer to it is one to the whole.
    var native = unsafe ob_timer()
    var owner: LoopTimer?
  }

  private let executor: LoopExecutor
  private let record: UnsafeMutablePointer<Record>
  private let fire: (Int32) -> Void

  /// - Parameters:
  ///   - executor: The loop's.
  ///   - fire: Gets 0 when the time has come, or a status when the loop closes first.
  init(_ executor: LoopExecutor, _ fire: @escaping (Int32) -> Void) {
    self.executor = executor
    self.fire = fire
    unsafe record = .allocate(capacity: 1)
    unsafe record.initialize(to: Record(owner: nil))
    unsafe record.pointee.native.fire = { timer, status in
      guard let timer = unsafe timer else { return }
      let record = unsafe UnsafeMutableRawPointer(timer).assumingMemoryBound(to: Record.self)
      let owner = unsafe record.pointee.owner.take()
      owner?.fire(status)
    }
  }

  deinit {
    unsafe record.deinitialize(count: 1)
    unsafe record.deallocate()
  }

  /// Arms it, or arms it anew.
  func start(after nanoseconds: UInt64) {
    unsafe record.pointee.owner = self
    unsafe ob_spi_timer_start(executor.handle, &record.pointee.native, nanoseconds)
  }

  /// Disarms it.
  func stop() {
    guard unsafe record.pointee.owner.take() != nil else { return }
    _ = unsafe ob_spi_timer_stop(executor.handle, &record.pointee.native)
  }
}
