extension LoopExecutor {
  /// Runs a closure on the loop thread, exempt from the queue limit, and awaits its answer.
  ///
  /// - Parameter body: Runs once at most.
  /// - Returns: Its answer; nil when the loop has closed.
  @concurrent func ask<R: Sendable>(_ body: @Sendable () -> R) async -> R? {
    await withTaskExecutorPreference(self) { isOnLoop ? body() : nil }
  }
}
