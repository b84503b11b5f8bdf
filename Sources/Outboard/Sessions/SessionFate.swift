/// What becomes of a session after a call on it has thrown.
public enum SessionFate: Sendable, Hashable {
  /// It is kept, and checked before it is used again.
  case keep
  /// It is disconnected: what it would answer next is not known.
  case discard
  /// It had died before the call had any effect: it is disconnected, and the call is made once more
  /// on a fresh one.
  case reconnect
}
