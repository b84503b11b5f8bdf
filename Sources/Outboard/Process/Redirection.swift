/// Where a child's standard input, output or error leads.
public enum Redirection: Sendable, Hashable {
  /// To `/dev/null`: no input, and output goes nowhere.
  case null
  /// To the host's own.
  case inherit
  /// To a stream of ``ChildProcess``.
  case pipe
}
