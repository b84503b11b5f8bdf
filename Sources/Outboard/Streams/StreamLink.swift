internal import COutboard

/// What the two ends of a stream share on the Swift side. The core holds it as long as it may call
/// one of the hooks.
///
/// `@unchecked Sendable`: `failure` is written before the stream is ended with
/// `CallStatus.threw` and read after the consumer has got that status; the core's lock orders the
/// two.
@safe class StreamLink: @unchecked Sendable {
  /// An element, or the end, has come.
  let ready = Signal()
  /// There is room, or the stream was cancelled.
  let room = Signal()
  /// Why the producer failed.
  final var failure: EngineError?

  /// Begins to produce. Loop thread; only for those that are opened without an emitter.
  func start(_ emitter: OpaquePointer) {
    preconditionFailure("a StreamLink without a body")
  }

  /// The consumer has left, the deadline has come, or the engine stops. Loop thread.
  func cancelled() { room.give() }

  /// Opens a stream of the core.
  ///
  /// - Parameters:
  ///   - executor: Its engine.
  ///   - buffer: Its capacity.
  ///   - options: Deadline, name, and what to do with a full queue.
  ///   - producing: Whether ``start(_:)`` produces; else the emitter is given out.
  /// - Returns: The consumer's end, and the emitter.
  /// - Throws: What the core says.
  final func open(
    on executor: LoopExecutor, _ buffer: StreamBuffer, _ options: CallOptions, producing: Bool
  ) throws(EngineError) -> (stream: OpaquePointer, emitter: OpaquePointer?) {
    var native = unsafe native(buffer, options)
    if producing { unsafe native.start = startLink }
    let (input, user) = unsafe (Unmanaged.passRetained(self), Unmanaged.passRetained(self))
    unsafe native.input = input.toOpaque()
    unsafe native.ready_user = user.toOpaque()
    var (stream, emitter): (OpaquePointer?, OpaquePointer?)
    let status =
      producing
      ? unsafe ob_stream_open(&stream, nil, executor.handle, &native)
      : unsafe ob_stream_open(&stream, &emitter, executor.handle, &native)
    guard status == OB_OK.rawValue, let stream = unsafe stream else {
      let error = EngineError(returned: status)
      unsafe input.release()
      unsafe user.release()
      throw error
    }
    return unsafe (stream, emitter)
  }

  private func native(_ buffer: StreamBuffer, _ options: CallOptions) -> ob_stream_opts {
    var native = unsafe ob_stream_opts()
    unsafe native.size = MemoryLayout<ob_stream_opts>.size
    unsafe native.name = options.nativeName
    unsafe native.capacity = UInt32(clamping: buffer.capacity)
    unsafe native.flags =
      (buffer.keepsLatest ? OB_STREAM_LATEST.rawValue : 0)
      | (options.whenFull == .fail ? OB_CALL_NOWAIT.rawValue : 0)
    unsafe native.deadline_ns = options.expiry.remaining
    unsafe native.on_room = { _, link, _, _ in unsafe StreamLink.at(link)?.room.give() }
    unsafe native.on_cancel = { _, link, _, _ in unsafe StreamLink.at(link)?.cancelled() }
    unsafe native.on_ready = { _, link in unsafe StreamLink.at(link)?.ready.give() }
    unsafe native.destroy = { link, _, _ in unsafe StreamLink.release(link) }
    unsafe native.ready_destroy = { link in unsafe StreamLink.release(link) }
    return unsafe native
  }

  fileprivate static func at(_ link: UnsafeMutableRawPointer?) -> StreamLink? {
    guard let link = unsafe link else { return nil }
    return unsafe Unmanaged<StreamLink>.fromOpaque(link).takeUnretainedValue()
  }

  private static func release(_ link: UnsafeMutableRawPointer?) {
    guard let link = unsafe link else { return }
    unsafe Unmanaged<StreamLink>.fromOpaque(link).release()
  }
}

private func startLink(
  _ emitter: OpaquePointer?, _ link: UnsafeMutableRawPointer?, _ size: Int,
  _ user: UnsafeMutableRawPointer?
) {
  guard let emitter = unsafe emitter else { return }
  unsafe StreamLink.at(link)?.start(emitter)
}
