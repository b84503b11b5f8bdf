internal import COutboard

extension Engine {
  /// A call as the recorder keeps it. Times count from the start of the system.
  public struct RecordedCall: Sendable {
    /// 1 for the engine's first.
    public var number: UInt64
    /// Its name, of which 31 bytes are kept.
    public var name: String?
    /// When it was handed in.
    public var enqueued: Duration
    /// When its body began; nil if that never ran.
    public var started: Duration?
    /// When its outcome was known.
    public var ended: Duration
    /// Calls that it stands for.
    public var weight: Int
    /// Why it ended without an answer of its body's; nil if it has one.
    public var error: EngineError?
  }

  /// The last recorded calls, the oldest first. Any thread; never waits for the loop.
  ///
  /// - Parameter limit: How many at most.
  /// - Returns: The calls; none while the recorder has never been on.
  /// - Throws: ``EngineError/forked`` in a forked child.
  public func recordedCalls(limit: Int = 65_536) throws(EngineError) -> [RecordedCall] {
    var status = OB_OK.rawValue
    let limit = min(max(limit, 0), 65_536)
    let records = unsafe [ob_call_record](unsafeUninitializedCapacity: limit) { buffer, count in
      status = unsafe ob_inspect_calls(executor.handle, buffer.baseAddress, limit, &count)
    }
    guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
    return records.map(RecordedCall.init)
  }
}

extension Engine.RecordedCall {
  init(_ record: ob_call_record) {
    number = record.number
    name = String(zeroTerminated: record.name).nilIfEmpty
    enqueued = Duration(nanosecondCount: record.enqueued)
    started = record.started == 0 ? nil : Duration(nanosecondCount: record.started)
    ended = Duration(nanosecondCount: record.ended)
    weight = Int(record.weight)
    error =
      record.status == OB_OK.rawValue ? nil : EngineError(status: record.status, detail: nil)
  }
}
