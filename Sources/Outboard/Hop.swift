internal import COutboard

/// A synchronous body on its way from a task to the loop and back: what ``NativeCall`` is, without
/// what only tickets and deadlines need.
///
/// The core holds a submitted hop until the loop is through with it; whoever awaits holds it too. Its
/// result's type is known to `work` alone, which the caller's compiler makes: to look up the metadata
/// of generic types at each call took a third of its time.
///
/// `@unchecked Sendable`: `continuation` is written before its awaiter leaves the hop and read by the
/// one side that ends it after that; the core's state word orders the two.
@usableFromInline
@safe final class Hop: @unchecked Sendable {
  private let native: UnsafeMutablePointer<ob_hop>
  private let work: @Sendable (Hop) -> Void
  private var continuation: UnsafeContinuation<CallStatus, Never>?

  /// - Parameters:
  ///   - name: For the report of a stop that has to wait for it.
  ///   - work: Runs the body and keeps its result. Loop thread; once, and only if the status is none
  ///     of an error.
  @usableFromInline
  init(_ name: StaticString, _ work: @escaping @Sendable (Hop) -> Void) {
    self.work = work
    unsafe native = .allocate(capacity: 1)
    unsafe native.initialize(to: ob_hop())
    unsafe native.pointee.name = name.nativeName
    unsafe native.pointee.body = { hop in
      guard let hop = unsafe hop else { return }
      let outer = unsafe CurrentRequest.enter(hop)
      unsafe Hop.owner(of: hop)._withUnsafeGuaranteedRef { $0.work($0) }
      unsafe CurrentRequest.leave(outer)
    }
    unsafe native.pointee.resume = { hop in
      guard let hop = unsafe hop else { return }
      unsafe Hop.owner(of: hop)._withUnsafeGuaranteedRef { $0.resume() }
    }
    unsafe native.pointee.release = { hop in
      guard let hop = unsafe hop else { return }
      unsafe Hop.owner(of: hop).release()
    }
    unsafe ob_spi_hop_init(native)
    unsafe native.pointee.owner = Unmanaged.passUnretained(self).toOpaque()
  }

  deinit { unsafe native.deallocate() }

  private static func owner(of hop: UnsafeMutablePointer<ob_hop>) -> Unmanaged<Hop> {
    unsafe Unmanaged.fromOpaque(hop.pointee.owner)
  }

  /// A body that ends because it was cancelled says so by throwing.
  @usableFromInline
  func error(ofBody error: any Error) -> EngineError {
    isCancelled && EngineError.isCancellation(error) ? .cancelled : .body(error)
  }

  /// Whether a body that runs should end.
  var isCancelled: Bool { unsafe ob_spi_hop_cancelled(native) != 0 }

  /// Hands the hop to the engine, as often as it takes, and awaits how it ended or why it was
  /// refused for good.
  ///
  /// With a full queue it lets what is queued go first, then tries again, unless it is not to wait.
  @usableFromInline
  func outcome(on executor: LoopExecutor, _ whenFull: QueueFullPolicy) async -> CallStatus {
    while true {
      let status = await submitAndAwait(to: executor)
      guard status.wantsRoom, whenFull == .wait else { return status }
      await executor.passThrough()
    }
  }

  /// Hands the hop to the engine and waits for its end without blocking.
  ///
  /// Most answers come within a microsecond, and a suspension costs as much again, with the handler
  /// of a cancellation: so it looks a while first.
  ///
  /// - Returns: How it ended, or why it was refused: it may then be submitted again.
  private func submitAndAwait(to executor: LoopExecutor) async -> CallStatus {
    if Task.isCancelled { return .refused(OB_ECANCELED.rawValue) }
    let held = unsafe Unmanaged.passRetained(self)
    let status = unsafe ob_spi_hop_submit(executor.handle, native)
    guard status == OB_OK.rawValue else {
      unsafe held.release()
      return .refused(status)
    }
    let watched = unsafe ob_spi_hop_watch(executor.handle, native)
    guard watched > 0 else { return await end() }
    if watched > 1 { await Task.yield() }  // others should have the thread
    return unsafe .ended(ob_spi_hop_status(native))
  }

  /// Suspends until the hop has ended.
  private func end() async -> CallStatus {
    await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { continuation in
        unsafe self.continuation = continuation
        if unsafe ob_spi_hop_leave(native) != 0 { resume() }
      }
    } onCancel: {
      if unsafe ob_spi_hop_cancel(native) != 0 { resume() }
    }
  }

  private func resume() {
    let status = unsafe ob_spi_hop_status(native)
    unsafe continuation?.resume(returning: .ended(status))
  }
}
