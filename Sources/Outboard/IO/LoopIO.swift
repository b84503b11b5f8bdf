internal import COutboard

/// Waits for descriptors on one loop.
///
/// Belongs to the loop thread. Made by the first wait; ends all waits when the loop closes. Holds
/// its executor until then.
@safe final class LoopIO {
  private var native: OpaquePointer?
  private var executor: LoopExecutor?
  private var table = WaitTable<any DescriptorWaiter>()
  /// Why nothing can be waited for any more.
  private var end: EngineError?

  /// The object of a loop. Its loop thread only.
  ///
  /// - Parameter executor: The loop's.
  /// - Returns: The object.
  /// - Throws: ``EngineError/shutdown``, ``EngineError/outOfMemory``, ``EngineError/system(_:)``.
  static func of(_ executor: LoopExecutor) throws(EngineError) -> LoopIO {
    if let known = executor.io {
      if unsafe known.native.map({ unsafe ob_spi_io_ours($0) != 0 }) ?? true { return known }
      known.abandon()
    }
    let fresh = LoopIO()
    try fresh.open(executor)
    executor.io = fresh
    return fresh
  }

  private func open(_ executor: LoopExecutor) throws(EngineError) {
    let context = unsafe Unmanaged.passRetained(self)
    let status = unsafe ob_spi_io_open(
      &native, executor.handle,
      { context, fd, tag, events in
        guard let context = unsafe context else { return }
        unsafe Unmanaged<LoopIO>.fromOpaque(context).takeUnretainedValue()
          .ready(fd, tag: tag, events: events)
      },
      { context, status in
        guard let context = unsafe context else { return }
        unsafe LoopIO.closed(Unmanaged<LoopIO>.fromOpaque(context), status)
      }, context.toOpaque())
    guard status == OB_OK.rawValue else {
      unsafe context.release()
      throw EngineError(returned: status)
    }
    self.executor = executor
  }

  deinit {
    if let native = unsafe native { unsafe ob_spi_io_free(native) }
  }

  // MARK: Waiting

  /// Begins a wait.
  ///
  /// - Parameters:
  ///   - waiter: Told once when it is over.
  ///   - fd: A descriptor.
  ///   - direction: For what.
  ///   - stays: See ``WaitTable/admit(_:fd:direction:stays:)``.
  /// - Throws: Why it has not begun: ``EngineError/busy(_:)`` with another one waiting,
  ///   ``EngineError/invalidArgument(_:)``, ``EngineError/io(_:)``, ``EngineError/shutdown``.
  func begin(
    _ waiter: any DescriptorWaiter, fd: Int32, direction: IODirection, stays: Bool
  ) throws(EngineError) {
    if let end { throw end }
    switch table.admit(waiter, fd: fd, direction: direction, stays: stays) {
    case .waits(let change):
      let status = apply(change)
      if status == OB_OK.rawValue { return }
      if case .arm = change, status == SystemCode.noEntry || status == SystemCode.badDescriptor {
        // The number is another file's by now, or nobody's.
        _ = table.withdraw(fd: fd, direction: direction)
        fallOut(fd)
        return try begin(waiter, fd: fd, direction: direction, stays: stays)
      }
      if let change = table.withdraw(fd: fd, direction: direction) { _ = apply(change) }
      throw Self.error(status, fd, direction)
    case .occupied(let check):
      let status = apply(check)
      if status == SystemCode.noEntry || status == SystemCode.badDescriptor {
        fallOut(fd)
        return try begin(waiter, fd: fd, direction: direction, stays: stays)
      }
      throw .busy(
        "descriptor \(fd) has a \(direction.waiter) that waits; one at a time, so let it end, "
          + "or cancel it, first")
    }
  }

  /// Ends a wait before its time; the waiter is not told.
  func withdraw(fd: Int32, direction: IODirection) {
    guard end == nil, let change = table.withdraw(fd: fd, direction: direction) else { return }
    _ = apply(change)
  }

  /// Ends all waits for a descriptor, which may be closed afterwards.
  ///
  /// - Parameters:
  ///   - fd: Which.
  ///   - what: For the error of those that wait.
  /// - Returns: How many waited.
  @discardableResult
  func forget(_ fd: Int32, _ what: @autoclosure () -> String) -> Int {
    let (waiters, change) = table.forget(fd: fd)
    if let change { _ = apply(change) }
    for waiter in waiters { waiter.ended(.closed(what())) }
    return waiters.count
  }

  private func fallOut(_ fd: Int32) {
    forget(
      fd,
      "descriptor \(fd) was closed while it was waited for; call endWaits(for:) before close(2)")
  }

  private func apply(_ change: WaitTable<any DescriptorWaiter>.Change) -> Int32 {
    guard let native = unsafe native else { return OB_ESHUTDOWN.rawValue }
    return switch change {
    case .add(let fd, let tag, let interest):
      unsafe ob_spi_io_control(native, Int32(OB_IO_ADD.rawValue), fd, tag, interest)
    case .arm(let fd, let tag, let interest):
      unsafe ob_spi_io_control(native, Int32(OB_IO_MODIFY.rawValue), fd, tag, interest)
    case .remove(let fd):
      unsafe ob_spi_io_control(native, Int32(OB_IO_DELETE.rawValue), fd, 0, 0)
    }
  }

  private static func error(
    _ status: Int32, _ fd: Int32, _ direction: IODirection
  ) -> EngineError {
    switch status {
    case ..<0: EngineError(status: status, detail: nil)
    case SystemCode.notPermitted:
      .invalidArgument(
        "descriptor \(fd) is of a kind that is always ready, a regular file or a directory, and "
          + "cannot be waited for; read and write files through the engine's file functions")
    default: .io(status, "wait for descriptor \(fd)")
    }
  }

  // MARK: Events

  private func ready(_ fd: Int32, tag: UInt32, events: UInt32) {
    let (waiters, change) = table.ready(fd: fd, tag: tag, events: events)
    if let change, apply(change) != OB_OK.rawValue, case .arm = change {
      fallOut(fd)
    }
    for waiter in waiters { waiter.ended(nil) }
  }

  private static func closed(_ context: Unmanaged<LoopIO>, _ status: Int32) {
    let io = unsafe context.takeUnretainedValue()
    let error = EngineError(status: status, detail: nil)
    io.end = error
    for waiter in io.table.drain() { waiter.ended(error) }
    guard status == OB_ESHUTDOWN.rawValue else { return }
    io.executor = nil
    unsafe context.release()
  }

  /// This is a fork child, and the loop that this belonged to is the parent's. So are the tasks that
  /// wait: they are left alone, with the reference that the parent's loop has.
  private func abandon() {
    guard let native = unsafe native else { return }
    unsafe ob_spi_io_free(native)
    unsafe self.native = nil
  }
}
