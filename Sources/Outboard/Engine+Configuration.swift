internal import COutboard

extension Engine {
  /// The options of an engine. The defaults are those of the C API.
  public struct Configuration: Sendable, Hashable {
    /// Name of the loop thread, at most 15 bytes of UTF-8.
    public var name = "outboard"
    /// Stack of each of its threads in bytes, at least 64 KiB; 0 for 8 MiB.
    public var stackSize = 0
    /// Most items queued at once; more wait for room or fail, as each call says.
    public var queueLimit = 65_536
    /// Items that run before timers and I/O get their turn.
    public var batchLimit = 256
    /// How long a thread spins before it parks, where that pays; zero never spins. Where it pays
    /// even then, a lone caller goes on for up to 40 µs, and the loop for up to 120 µs after it
    /// has woken one.
    public var spinBudget = Duration.microseconds(2)
    /// What happens in a forked child.
    public var forkPolicy = ForkPolicy.fail
    /// The pool for blocking work.
    public var offload = OffloadLimits()
    /// Time that a start hook may take.
    public var startTimeout = Duration.seconds(30)

    /// The defaults.
    public init() {}
  }
}

extension Engine.Configuration {
  /// Starts an engine of the core with these options.
  ///
  /// - Parameter start: `ob_engine_start` or `ob_engine_shared`.
  /// - Returns: The core's handle.
  /// - Throws: What the core says.
  func start(
    _ start: (UnsafeMutablePointer<OpaquePointer?>, UnsafePointer<ob_engine_opts>) -> Int32
  ) throws(EngineError) -> OpaquePointer {
    var handle: OpaquePointer?
    let status = unsafe name.withCString { text in
      var options = unsafe native
      unsafe options.name = text
      return unsafe start(&handle, &options)
    }
    guard status == OB_OK.rawValue, let handle = unsafe handle else {
      throw EngineError(returned: status)
    }
    return unsafe handle
  }

  /// As the core takes them, but for the name, whose memory the caller provides.
  private var native: ob_engine_opts {
    unsafe ob_engine_opts(
      size: MemoryLayout<ob_engine_opts>.size,
      name: nil,
      stack_size: max(stackSize, 0),
      queue_limit: UInt32(clamping: queueLimit),
      batch_limit: UInt32(clamping: batchLimit),
      spin_ns: UInt32(clamping: spinBudget.saturatedNanoseconds),
      fork_policy: forkPolicy.native,
      offload_threads: UInt32(clamping: offload.threads),
      offload_hard_limit: UInt32(clamping: offload.hardLimit),
      offload_queue: UInt32(clamping: offload.queueLimit),
      offload_idle_ns: offload.idleTimeout.saturatedNanoseconds,
      start_timeout_ns: startTimeout.saturatedNanoseconds,
      on_start: nil,
      on_stop: nil,
      user: nil,
      inspect: nil)
  }
}
