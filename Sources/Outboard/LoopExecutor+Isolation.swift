extension LoopExecutor {
  /// Stops the process unless the caller runs on this executor.
  public func checkIsolated() {
    precondition(
      isIsolating,
      """
      this code belongs to the loop of an Outboard engine and runs elsewhere; call it through the \
      engine, or from a task that prefers its executor
      """)
  }

  /// Whether the caller runs on this executor: on the loop thread, or, once the loop has closed,
  /// for it on the fallback thread.
  ///
  /// - Returns: Always an answer.
  public func isIsolatingCurrentContext() -> Bool? { isIsolating }

  /// Whether two executors exclude each other's jobs: only the same one does.
  ///
  /// - Parameter other: To compare with.
  /// - Returns: True for the same executor.
  public func isSameExclusiveExecutionContext(other: LoopExecutor) -> Bool { self === other }
}
