extension Engine {
  /// The limits of an engine's pool of threads for blocking work.
  public struct OffloadLimits: Sendable, Hashable {
    /// Most threads.
    public var threads = 4
    /// Most threads when some of them are blocked in calls to engines.
    public var hardLimit = 64
    /// Most jobs that wait for a thread.
    public var queueLimit = 1_024
    /// How long an idle thread stays.
    public var idleTimeout = Duration.seconds(10)

    /// The defaults.
    public init() {}
  }
}
