internal import COutboard

extension Engine {
  /// Something that holds the loop for too long, or did.
  public struct Stall: Sendable, Hashable {
    /// The engine's name.
    public var engine: String
    /// The name of the call: that of the function which made it, unless it was given another.
    public var name: String?
    /// The function that holds the loop, by its symbol or by its place in its file.
    public var symbol: String?
    /// For what has no name, as the step of a task: a call that waits for its answer meanwhile,
    /// most often the one whose step it is.
    public var pendingCall: String?
    /// How long it had held the loop when it was found, at least.
    public var held: Duration
    /// 1 for the engine's first.
    public var number: UInt64
    /// Return addresses, the innermost first. Empty without ``Inspection/stackSignal``.
    public var frames: [UInt]
  }

  /// The last stall, also one that goes on. Any thread.
  ///
  /// - Returns: The stall; nil when there was none.
  /// - Throws: ``EngineError/forked`` in a forked child.
  public func lastStall() throws(EngineError) -> Stall? {
    var stall = ob_stall()
    stall.size = MemoryLayout<ob_stall>.size
    let status = unsafe ob_inspect_stall(executor.handle, &stall)
    if status == OB_EAGAIN.rawValue { return nil }
    guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
    return Stall(stall)
  }
}

extension Engine.Stall {
  init(_ stall: ob_stall) {
    engine = String(zeroTerminated: stall.engine)
    name = String(zeroTerminated: stall.name).nilIfEmpty
    symbol = String(zeroTerminated: stall.symbol).nilIfEmpty
    pendingCall = String(zeroTerminated: stall.pending).nilIfEmpty
    held = Duration(nanosecondCount: stall.held_ns)
    number = stall.number
    frames = unsafe withUnsafeBytes(of: stall.frames) { bytes in
      unsafe bytes.bindMemory(to: UInt64.self).prefix(Int(stall.frame_count)).map {
        UInt(truncatingIfNeeded: $0)
      }
    }
  }
}
