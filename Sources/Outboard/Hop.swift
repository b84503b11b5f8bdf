internal import COutboard

/// A synchronous body on its way from a task to the loop and back: what ``NativeCall`` is, without
/// what only tickets and deadlines need.
///
/// The core holds a submitted hop until the loop is through with it; whoever awaits holds it too.
///
/// `@unchecked Sendable`: `continuation` is written before the hop is submitted and read by the one
/// side that ends it; the core's state word orders the two.
@safe class Hop: @unchecked Sendable {
  private let native: UnsafeMutablePointer<ob_hop>
  private var continuation: UnsafeContinuation<CallStatus, Never>?
  /// Whether others should have the thread before the task goes on.
  private var mustYield = false

  init(_ options: CallOptions) {
    unsafe native = .allocate(capacity: 1)
    unsafe native.initialize(to: ob_hop())
    unsafe native.pointee.name = options.nativeName
    unsafe native.pointee.body = { hop in
      guard let hop = unsafe hop else { return }
      let outer = unsafe CurrentRequest.enter(hop)
      unsafe Hop.owner(of: hop)._withUnsafeGuaranteedRef { $0.run() }
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

  /// Runs the body and keeps its result. Loop thread.
  func run() {
    preconditionFailure("a Hop without a body")
  }

  /// Whether a body that runs should end.
  final var isCancelled: Bool { unsafe ob_spi_hop_cancelled(native) != 0 }

  /// Hands the hop to the engine and waits for its end without blocking.
  ///
  /// Most answers come within a microsecond, and a suspension costs ten: so it looks a while first.
  /// A continuation that is resumed meanwhile does not suspend.
  ///
  /// - Returns: How it ended, or why it was refused: it may then be submitted again.
  final func submitAndAwait(to executor: LoopExecutor) async -> CallStatus {
    if Task.isCancelled { return .refused(OB_ECANCELED.rawValue) }
    let status = await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { continuation in
        unsafe self.continuation = continuation
        begin(on: executor)
      }
    } onCancel: {
      if unsafe ob_spi_hop_cancel(native) != 0 { resume() }
    }
    if mustYield { await Task.yield() }
    return status
  }

  private func begin(on executor: LoopExecutor) {
    let held = unsafe Unmanaged.passRetained(self)
    let status = unsafe ob_spi_hop_submit(executor.handle, native)
    guard status == OB_OK.rawValue else {
      unsafe held.release()
      unsafe continuation?.resume(returning: .refused(status))
      return
    }
    let watched = unsafe ob_spi_hop_watch(executor.handle, native)
    guard watched > 0 else { return }  // it may be gone by now
    mustYield = watched > 1
    resume()
  }

  private func resume() {
    let status = unsafe ob_spi_hop_status(native)
    unsafe continuation?.resume(returning: .ended(status))
  }
}
