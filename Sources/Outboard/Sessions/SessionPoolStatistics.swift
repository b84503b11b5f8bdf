/// How many sessions a ``SessionPool`` has, and who waits for one.
public struct SessionPoolStatistics: Sendable, Hashable {
  /// Connected and unused.
  public let idle: Int
  /// In use, or being connected or disconnected.
  public let taken: Int
  /// Calls that wait.
  public let waiting: Int
}
