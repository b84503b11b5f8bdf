internal import COutboard

extension Engine {
  /// What is measured inside an engine while it runs. All is off until ``Engine/inspect(_:onStall:)``.
  ///
  /// Calls are measured one by one while they come slower than one in some microseconds; of faster
  /// ones a part is, each standing for several. So the cost stays below some percent. Bodies that
  /// run inline on the loop and the steps of tasks are not measured one by one; they count for the
  /// loop's lag, and the watchdog sees them.
  public struct Inspection: Sendable, Hashable {
    /// Keep histograms of how long calls wait and run, and of the loop's lag.
    public var times = true
    /// Keep the last calls, for ``Engine/traceJSON()`` and ``Engine/recordedCalls()``.
    public var recorder = true
    /// Watch for what holds the loop too long.
    public var watchdog = true
    /// Measure one call of so many; 0 measures as many as are cheap, 1 every call.
    public var every = 0
    /// How many calls the recorder keeps, 1 to 65,536. It cannot change once it was switched on.
    public var recordedCalls = 1_024
    /// How long the loop may be held, 1 ms to 1 h.
    public var stallThreshold = Duration.milliseconds(100)
    /// A signal that the process uses for nothing else, by which the watchdog fetches the stack of
    /// what stalls; nil fetches none and touches no signal. `SIGUSR1`, `SIGUSR2` or a real-time one.
    public var stackSignal: Int32?

    /// Everything on, no stacks.
    public init() {}
  }

  /// Switches what is inspected, at any time and on any thread.
  ///
  /// What was measured before stays; see ``resetInspection()``.
  ///
  /// - Parameters:
  ///   - inspection: What to inspect; nil switches all off.
  ///   - onStall: Called once for each stall, while it lasts, on the watchdog's thread. Must return
  ///     soon and not block.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for an option out of range,
  ///   ``EngineError/shutdown``, ``EngineError/outOfMemory``, ``EngineError/system(_:)``,
  ///   ``EngineError/forked``.
  public func inspect(
    _ inspection: Inspection?, onStall: (@Sendable (Stall) -> Void)? = nil
  ) throws(EngineError) {
    var options = unsafe (inspection ?? .off).native
    let hook = inspection?.watchdog == true ? onStall.map(StallHook.init) : nil
    if let hook { unsafe hook.install(in: &options) }
    let status = unsafe ob_inspect(executor.handle, &options)
    guard status == OB_OK.rawValue else {
      if hook != nil { unsafe StallHook.release(options.stall_user) }
      throw EngineError(returned: status)
    }
  }

  /// Forgets what was measured and recorded. Any thread.
  ///
  /// - Throws: ``EngineError/forked`` in a forked child.
  public func resetInspection() throws(EngineError) {
    let status = unsafe ob_inspect_reset(executor.handle)
    guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
  }
}

extension Engine.Inspection {
  fileprivate static var off: Self {
    var inspection = Self()
    inspection.times = false
    inspection.recorder = false
    inspection.watchdog = false
    return inspection
  }

  /// As the core takes them, without the hook.
  fileprivate var native: ob_inspect_opts {
    let flags: [(Bool, UInt32)] = [
      (times, OB_INSPECT_TIMES.rawValue), (recorder, OB_INSPECT_RECORD.rawValue),
      (watchdog, OB_INSPECT_WATCH.rawValue),
    ]
    return unsafe ob_inspect_opts(
      size: MemoryLayout<ob_inspect_opts>.size,
      flags: flags.reduce(0) { $0 | ($1.0 ? $1.1 : 0) },
      every: UInt32(clamping: every),
      record_last: UInt32(clamping: recordedCalls),
      stack_signal: stackSignal ?? 0,
      stall_ns: stallThreshold.saturatedNanoseconds,
      on_stall: nil, stall_user: nil, stall_destroy: nil)
  }
}
