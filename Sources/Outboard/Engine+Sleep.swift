extension Engine {
  /// Suspends the current task, timed by the loop.
  ///
  /// Any task, on the loop or not. Unlike `Task.sleep`, a cancelled sleep leaves no timer behind,
  /// and it works where the runtime has no scheduling executors.
  ///
  /// - Parameter duration: How long; never shorter, longer by a millisecond or so.
  /// - Throws: ``EngineError/cancelled`` when the task is; ``EngineError/shutdown`` when the loop
  ///   closes first.
  public func sleep(for duration: Duration) async throws(EngineError) {
    let sleep = LoopSleep(executor, nanoseconds: duration.saturatedNanoseconds)
    if let error = await sleep.outcome().error { throw error }
  }
}
