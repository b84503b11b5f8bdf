/// Who sends into a stream, and when it may be ended: after the last send that began before.
struct SendingState {
  /// What is to be done.
  enum Action: Equatable {
    case nothing
    /// End the stream with this status.
    case end(Int32)
  }

  private enum Phase {
    case open
    /// Ends when nobody sends any more.
    case finishing(Int32)
    case ended
  }

  private var phase = Phase.open
  private var senders = 0

  /// A send begins.
  ///
  /// - Returns: False when the stream was finished.
  mutating func enter() -> Bool {
    guard case .open = phase else { return false }
    senders += 1
    return true
  }

  /// A send that has begun is through.
  mutating func leave() -> Action {
    senders -= 1
    return endIfIdle()
  }

  /// No send begins any more.
  ///
  /// - Parameter status: Of the end; the first one counts.
  /// - Returns: What is to be done; nil when it was finished before.
  mutating func finish(_ status: Int32) -> Action? {
    guard case .open = phase else { return nil }
    phase = .finishing(status)
    return endIfIdle()
  }

  private mutating func endIfIdle() -> Action {
    guard case .finishing(let status) = phase, senders == 0 else { return .nothing }
    phase = .ended
    return .end(status)
  }
}
