internal import COutboard

extension Engine {
  /// Counters since an engine's start. Each is exact while the engine is quiet.
  public struct Statistics: Sendable, Hashable {
    /// Calls, submissions and posts that were accepted.
    public var submitted: UInt64
    /// Of these, those that have ended, whatever the outcome.
    public var completed: UInt64
    /// Ended by cancellation or by a stop.
    public var cancelled: UInt64
    /// Ended by their deadline.
    public var timedOut: UInt64
    /// Not accepted: no room, no memory, stopping.
    public var refused: UInt64
    /// Accepted and not ended.
    public var inFlight: UInt64
    /// Most items found by one drain.
    public var queueHighWater: UInt64
    /// System calls made to wake the loop.
    public var wakesWritten: UInt64
    /// Submissions that needed none.
    public var wakesAvoided: UInt64
    /// Times the loop went to sleep.
    public var sleeps: UInt64
    /// Loop time outside sleeping and spinning.
    public var busy: Duration
    /// Pool threads alive now.
    public var offloadThreads: UInt64
    /// Jobs that wait for one of them.
    public var offloadQueued: UInt64
  }

  /// Takes a snapshot. Any thread; never waits for the loop.
  ///
  /// - Returns: The counters.
  /// - Throws: ``EngineError/forked`` in a forked child.
  public func statistics() throws(EngineError) -> Statistics {
    var stats = ob_stats()
    stats.size = MemoryLayout<ob_stats>.size
    let status = unsafe ob_engine_stats(executor.handle, &stats)
    guard status == OB_OK.rawValue else { throw EngineError(returned: status) }
    return Statistics(stats)
  }
}

extension Engine.Statistics {
  init(_ stats: ob_stats) {
    submitted = stats.submitted
    completed = stats.completed
    cancelled = stats.cancelled
    timedOut = stats.timed_out
    refused = stats.refused
    inFlight = stats.in_flight
    queueHighWater = stats.queue_high_water
    wakesWritten = stats.wakes_written
    wakesAvoided = stats.wakes_avoided
    sleeps = stats.sleeps
    busy = Duration(nanosecondCount: stats.busy_ns)
    offloadThreads = stats.offload_threads
    offloadQueued = stats.offload_queued
  }
}
