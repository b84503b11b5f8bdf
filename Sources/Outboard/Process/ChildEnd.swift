/// How a child process has ended.
public enum ChildEnd: Sendable, Hashable {
  /// It left with this code.
  case exited(Int32)
  /// This signal killed it.
  case signalled(Int32)

  /// Whether it left with 0.
  public var isSuccess: Bool { self == .exited(0) }
}

extension ChildEnd: CustomStringConvertible {
  /// In words.
  public var description: String {
    switch self {
    case .exited(let code): "exited with \(code)"
    case .signalled(let number): "killed by signal \(number)"
    }
  }
}
