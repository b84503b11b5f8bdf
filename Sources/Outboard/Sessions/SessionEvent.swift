/// What happens in a ``SessionPool`` and is not the answer of a call.
public enum SessionEvent: Sendable {
  /// A session could not be disconnected properly; it is gone all the same.
  case disconnectFailed(any Error)
  /// A session was not healthy and is replaced; the error is that of the check, if it threw.
  case unhealthy((any Error)?)
  /// A call failed because its session had died, and is made once more on a fresh one.
  case reconnecting(any Error)
}
