internal import COutboard

/// The beats of a periodic timer, as a sequence without end. See ``Engine/ticks(every:first:)``.
public struct Ticks: AsyncSequence, Sendable {
  /// One beat.
  public typealias Element = Tick
  /// Why there are no more.
  public typealias Failure = EngineError

  let executor: LoopExecutor
  let interval: UInt64
  let first: UInt64

  /// Counts from now.
  ///
  /// - Returns: An iterator with a schedule of its own.
  public func makeAsyncIterator() -> Iterator {
    let (due, beyond) = ob_spi_now().addingReportingOverflow(first)
    return Iterator(
      executor: executor,
      schedule: PeriodicSchedule(first: beyond ? .max : due, interval: interval))
  }

  /// Waits for one beat after the other.
  public struct Iterator: AsyncIteratorProtocol {
    let executor: LoopExecutor
    var schedule: PeriodicSchedule

    /// Suspends until the next beat.
    ///
    /// - Parameter actor: Whom the caller is isolated to.
    /// - Returns: The beat, never nil.
    /// - Throws: ``EngineError/cancelled`` when the task is; ``EngineError/shutdown`` when the loop
    ///   closes.
    public mutating func next(
      isolation actor: isolated (any Actor)? = #isolation
    ) async throws(EngineError) -> Tick? {
      let (due, now) = (schedule.due, ob_spi_now())
      // Also when it is late: others get their turn, and cancellation is seen.
      let sleep = LoopSleep(executor, nanoseconds: due > now ? due - now : 0)
      if let error = await sleep.outcome().error { throw error }
      return schedule.take(now: Swift.max(ob_spi_now(), due))
    }
  }
}
