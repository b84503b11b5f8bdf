internal import COutboard
internal import Synchronization

/// One call as the core sees it: what runs, who waits, how it is cancelled.
///
/// The core holds a submitted call until it has ended and its body is through; whoever waits holds
/// it too. Subclasses say what runs.
///
/// `@unchecked Sendable`: `ending` is set before `waiters` is closed and read by those who find it
/// so; the rest is atomic.
@safe class NativeCall: @unchecked Sendable {
  /// The core's ticket, or 0 before there is one.
  private let ticket = Atomic<UInt>(0)
  private let cancelAsked = Atomic<Bool>(false)
  private let waiters = WaiterList()
  /// How it ended, before `waiters` is closed.
  private var ending = CallStatus.ended(OB_OK.rawValue)

  init() {}

  deinit {
    unsafe ob_ticket_release(OpaquePointer(bitPattern: ticket.load(ordering: .acquiring)))
  }

  // MARK: For subclasses

  /// Runs the body, or starts it; answers `request` once. Loop thread, or pool thread.
  func run(_ request: OpaquePointer) {
    preconditionFailure("a NativeCall without a body")
  }

  /// Tells a body that was started to end. Loop thread.
  func cancelBody() {}

  // MARK: Submission

  /// Hands the call to the engine and waits for its end without blocking.
  ///
  /// Most answers come within a microsecond, and a suspension costs ten: so it looks a while first.
  ///
  /// - Returns: How it ended, or why it was refused.
  func submitAndAwait(to executor: LoopExecutor, _ options: CallOptions) async -> CallStatus {
    if Task.isCancelled { return .refused(OB_ECANCELED.rawValue) }
    let status = submit(to: executor, options)
    if status.isRefusal { return status }
    guard options.place == .loop, !executor.isOnLoop else { return await awaitEnd() }
    let spun = unsafe ob_spi_spin(OpaquePointer(bitPattern: ticket.load(ordering: .acquiring)))
    if spun > 1 { await Task.yield() }
    if spun > 0, let ending = poll() { return ending }
    return await awaitEnd()
  }

  /// Hands the call to the engine. Any thread.
  ///
  /// - Returns: Success, or why it was refused: the call may then be submitted again.
  func submit(to executor: LoopExecutor, _ options: CallOptions) -> CallStatus {
    guard !cancelAsked.load(ordering: .acquiring) else { return .refused(OB_ECANCELED.rawValue) }
    var native = unsafe native(options)
    unsafe native.on_done = { status, _, call in
      guard let call = unsafe call else { return }
      unsafe Unmanaged<NativeCall>.fromOpaque(call).takeRetainedValue().end(status)
    }
    unsafe native.done_user = hold()
    unsafe native.destroy = releaseCall
    _ = unsafe hold()
    var ticket: OpaquePointer?
    let status = unsafe ob_submit(&ticket, executor.handle, &native)
    guard status == OB_OK.rawValue else {
      let refusal = CallStatus.refused(status)
      for _ in 1...2 { unsafe Unmanaged.passUnretained(self).release() }
      return refusal
    }
    unsafe install(ticket)
    return .ended(OB_OK.rawValue)
  }

  /// Hands the call to the engine and blocks until it has ended. Not for its loop thread.
  ///
  /// - Returns: How it ended, or why it was refused.
  func submitAndBlock(on executor: LoopExecutor, _ options: CallOptions) -> CallStatus {
    var native = unsafe native(options)
    unsafe native.destroy = releaseCall  // ob_call runs it even when it refuses
    _ = unsafe hold()
    return unsafe .returned(ob_call(executor.handle, &native, nil))
  }

  private func native(_ options: CallOptions) -> ob_call_opts {
    var native = unsafe ob_call_opts()
    unsafe native.size = MemoryLayout<ob_call_opts>.size
    unsafe native.name = options.nativeName
    unsafe native.handler = { request, _, _, call in
      guard let request = unsafe request, let call = unsafe call else { return }
      unsafe Unmanaged<NativeCall>.fromOpaque(call).takeUnretainedValue().run(request)
    }
    unsafe native.user = Unmanaged.passUnretained(self).toOpaque()
    unsafe native.deadline_ns = options.expiry.remaining
    unsafe native.flags = options.flags
    return unsafe native
  }

  private func hold() -> UnsafeMutableRawPointer { unsafe Unmanaged.passRetained(self).toOpaque() }

  // MARK: Cancellation

  /// Cancels the call, before or after it is submitted. Any thread.
  ///
  /// - Returns: False when it has ended.
  @discardableResult
  func cancel() -> Bool {
    // Pairs with install: one of the two sees what the other has written.
    cancelAsked.store(true, ordering: .sequentiallyConsistent)
    let word = ticket.load(ordering: .sequentiallyConsistent)
    guard let ticket = unsafe OpaquePointer(bitPattern: word) else { return true }
    return unsafe ob_ticket_cancel(ticket) == OB_OK.rawValue
  }

  private func install(_ ticket: OpaquePointer?) {
    self.ticket.store(UInt(bitPattern: ticket), ordering: .sequentiallyConsistent)
    if cancelAsked.load(ordering: .sequentiallyConsistent) {
      _ = unsafe ob_ticket_cancel(ticket)
    }
  }

  // MARK: The end

  /// Called once on the loop thread when a submitted call has ended.
  private func end(_ status: Int32) {
    ending = .ended(status)
    waiters.close(ending)
  }

  /// Waits for the end without blocking. The call has a ticket.
  func awaitEnd() async -> CallStatus {
    await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { continuation in
        if unsafe !waiters.add(continuation) { unsafe continuation.resume(returning: ending) }
      }
    } onCancel: {
      cancel()
    }
  }

  /// How the call has ended; nil when it has not. It has a ticket.
  func poll() -> CallStatus? {
    let ticket = unsafe OpaquePointer(bitPattern: ticket.load(ordering: .acquiring))
    var status: Int32 = 0
    return unsafe ob_ticket_poll(ticket, &status) == 1 ? .ended(status) : nil
  }

  /// Blocks until the call has ended. It has a ticket.
  ///
  /// - Parameter nanoseconds: Waits this long at most.
  /// - Returns: How it ended, or why that was not waited for.
  func block(nanoseconds: UInt64) -> CallStatus {
    let ticket = unsafe OpaquePointer(bitPattern: ticket.load(ordering: .acquiring))
    let status = unsafe CallStatus.returned(ob_ticket_wait(ticket, nanoseconds, nil))
    return poll() ?? status
  }
}

/// The core is through with a call.
private func releaseCall(
  _ data: UnsafeMutableRawPointer?, _ size: Int, _ call: UnsafeMutableRawPointer?
) {
  guard let call = unsafe call else { return }
  unsafe Unmanaged<NativeCall>.fromOpaque(call).release()
}
