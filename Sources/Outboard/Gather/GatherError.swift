/// What several operations failed with: the first failure, with the others attached.
public struct GatherError: Error, CustomStringConvertible {
  /// What happened first.
  public let first: GatherFailure
  /// What happened after it, in that order.
  public let others: [GatherFailure]

  /// Every failure, the first one first.
  public var description: String {
    guard !others.isEmpty else { return "\(first)" }
    return
      "\(first) (and \(others.count) more: \(others.map(\.description).joined(separator: "; ")))"
  }
}
