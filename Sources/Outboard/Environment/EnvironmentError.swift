/// Everything that is wrong with the variables of one prefix.
public struct EnvironmentError: Error, Hashable, CustomStringConvertible {
  /// At least one, by name.
  public let issues: [EnvironmentIssue]

  /// One line for each.
  public var description: String { issues.map(\.description).joined(separator: "\n") }
}
