internal import COutboard

extension Engine {
  /// What an engine does in a child of `fork`.
  public enum ForkPolicy: Sendable, Hashable {
    /// Every call fails with ``EngineError/forked``.
    case fail
    /// The child's first call starts a fresh loop.
    case restart

    var native: UInt32 {
      switch self {
      case .fail: OB_FORK_FAIL.rawValue
      case .restart: OB_FORK_RESTART.rawValue
      }
    }
  }
}
