extension EngineGroup {
  /// Where a call without a key goes.
  public enum Placement: Sendable, Hashable {
    /// To each engine in turn.
    case roundRobin
    /// To one that has the fewest of the group's calls under way.
    case leastLoaded
  }
}
