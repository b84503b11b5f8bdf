internal import COutboard
internal import Synchronization

extension LoopExecutor {
  /// The executor whose loop thread the caller runs on, if any.
  static var current: LoopExecutor? {
    guard let context = unsafe ob_spi_current_context() else { return nil }
    return unsafe Unmanaged<LoopExecutor>.fromOpaque(context).takeUnretainedValue()
  }

  /// True on the loop thread.
  var isOnLoop: Bool { unsafe ob_engine_current() == handle }

  /// Ties this executor to its engine and to its loop, which holds it until it closes.
  ///
  /// Called once, before anybody else can see either.
  ///
  /// - Parameter engine: Whose executor this is.
  /// - Throws: ``EngineError/shutdown`` when the engine is being stopped already.
  func open(for engine: Engine) throws(EngineError) {
    self.engine = engine
    let context = unsafe Unmanaged.passRetained(self)
    unsafe ob_spi_set_context(handle, context.toOpaque())
    let status = unsafe callClosure(handle) {
      unsafe self.closing.pointee.fire = loopHasClosed
      unsafe ob_spi_timer_start(self.handle, self.closing, .farFuture)
    }
    guard status == OB_OK.rawValue else {
      unsafe context.release()
      throw EngineError(returned: status)
    }
  }

  /// Whether something may be begun here that does not go through the queue.
  ///
  /// - Throws: ``EngineError/shutdown``, ``EngineError/forked``, ``EngineError/broken(_:)``.
  func checkOpen() throws(EngineError) {
    let status = unsafe ob_spi_enter(handle)
    guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
    if hasClosed.load(ordering: .acquiring) { throw .shutdown }
  }

  /// Begins a stop in cancel mode and does not wait. Any thread.
  func beginStop() {
    _ = unsafe ob_engine_stop(handle, Engine.StopMode.cancel.native, 0)
  }

  /// Waits for the end of the thread of a loop that has closed, so that a job that is due much
  /// later (a cancelled `Task.sleep` of an hour, say) does not keep it.
  func joinLoop() {
    _ = unsafe ob_engine_stop(handle, Engine.StopMode.cancel.native, .max)
  }
}

/// The loop's queue is closed and nothing runs there any more: it lets go of its executor, which
/// may end it here and now.
private func loopHasClosed(_ timer: UnsafeMutablePointer<ob_timer>?, _ status: Int32) {
  guard status != OB_OK.rawValue else { return }
  guard let context = unsafe ob_spi_current_context() else { return }
  unsafe ob_spi_set_context(ob_engine_current(), nil)
  let executor = unsafe Unmanaged<LoopExecutor>.fromOpaque(context)
  unsafe executor._withUnsafeGuaranteedRef { $0.hasClosed.store(true, ordering: .releasing) }
  unsafe executor.release()
}

extension UInt64 {
  /// Nanoseconds that no process lives to see, and that may be added to a clock without overflow.
  fileprivate static var farFuture: UInt64 { .max / 4 }
}
