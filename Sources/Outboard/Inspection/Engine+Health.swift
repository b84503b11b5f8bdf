internal import COutboard

extension Engine {
  /// How an engine fares, in numbers.
  public struct Health: Sendable, Hashable {
    /// Its name.
    public var name: String
    /// Whether it runs.
    public var state: HealthState
    /// Since its start, until now or its end.
    public var uptime: Duration
    /// Stalls found by the watchdog.
    public var stalls: UInt64
    /// How long the loop has been held now, at least; zero while it is not stalled.
    public var stalledFor: Duration
    /// From one look at timers and I/O to the next: how late they may be.
    public var lag: Times
    /// From being handed in to the start, or to the end of what never started.
    public var wait: Times
    /// How long bodies ran.
    public var run: Times
    /// The counters.
    public var statistics: Statistics
  }

  /// Takes a snapshot. Any thread; never waits for the loop.
  ///
  /// - Returns: The health.
  /// - Throws: ``EngineError/forked`` in a forked child.
  public func health() throws(EngineError) -> Health {
    var health = ob_health()
    health.size = MemoryLayout<ob_health>.size
    let status = unsafe ob_engine_health(executor.handle, &health)
    guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
    return Health(health)
  }

  /// The health as one JSON object, with the last stall: for a host that has no place of its own
  /// for it, a tool's answer for example. Any thread.
  ///
  /// - Returns: The text.
  /// - Throws: ``EngineError/forked`` in a forked child.
  public func healthJSON() throws(EngineError) -> String {
    try unsafe text(ob_engine_health_json)
  }

  /// What the recorder holds as trace JSON, which Perfetto and Chrome's tracing page open. Any
  /// thread.
  ///
  /// - Returns: The text.
  /// - Throws: ``EngineError/forked`` in a forked child, ``EngineError/outOfMemory``.
  public func traceJSON() throws(EngineError) -> String {
    try unsafe text(ob_inspect_trace_json)
  }

  /// What a writer of the core writes: it says how much room it needs, which may grow meanwhile.
  private func text(
    _ write: (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int) -> Int32
  ) throws(EngineError) -> String {
    var room = 4_096
    while true {
      var length: Int32 = 0
      let text = unsafe String(unsafeUninitializedCapacity: room) { buffer in
        unsafe buffer.withMemoryRebound(to: CChar.self) { characters in
          length = unsafe write(executor.handle, characters.baseAddress, characters.count)
          return max(0, min(Int(length), characters.count - 1))
        }
      }
      guard length >= 0 else { throw EngineError(returned: length) }
      if length < room { return text }
      room = Int(length) + Int(length) / 8 + 1
    }
  }
}

extension Engine.Health {
  init(_ health: ob_health) {
    name = String(zeroTerminated: health.name)
    state = Engine.HealthState(health.state)
    uptime = Duration(nanosecondCount: health.uptime_ns)
    stalls = health.stalls
    stalledFor = Duration(nanosecondCount: health.stalled_ns)
    lag = Engine.Times(health.lag)
    wait = Engine.Times(health.wait)
    run = Engine.Times(health.run)
    statistics = Engine.Statistics(health.stats)
  }
}
