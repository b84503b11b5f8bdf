internal import COutboard

extension Engine {
  /// What happens to work that was accepted before a stop.
  public enum StopMode: Sendable, Hashable {
    /// Queued calls fail with ``EngineError/shutdown``; running ones see cancellation.
    case cancel
    /// What was accepted runs.
    case drain

    var native: Int32 {
      switch self {
      case .cancel: Int32(OB_STOP_CANCEL.rawValue)
      case .drain: Int32(OB_STOP_DRAIN.rawValue)
      }
    }
  }
}
