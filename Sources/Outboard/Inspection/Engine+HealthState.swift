internal import COutboard

extension Engine {
  /// How an engine fares.
  public enum HealthState: Sendable, Hashable {
    /// It runs.
    case running
    /// It runs, but its loop has been held for longer than the watchdog allows.
    case stalled
    /// It is being stopped.
    case stopping
    /// Its thread has ended.
    case stopped
    /// The host closed its descriptors.
    case broken
  }
}

extension Engine.HealthState {
  init(_ state: UInt32) {
    self =
      switch state {
      case OB_HEALTH_STALLED.rawValue: .stalled
      case OB_HEALTH_STOPPING.rawValue: .stopping
      case OB_HEALTH_STOPPED.rawValue: .stopped
      case OB_HEALTH_BROKEN.rawValue: .broken
      default: .running
      }
  }
}
