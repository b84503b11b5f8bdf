/// What becomes of a session after a call on it has thrown.
public enum SessionFate: Sendable, Hashable {
  /// It is kept, and checked before it is used again.
  case keep
  /// It is disconnected: what it would answer next is not known.
  case discard
  /// It had died before the call had any effect: it is disconnected, and the call is made once more
  /// on a fresh one.
  case reconnect

  /// What becomes of a session unless its source says otherwise: it is discarded after a call that
  /// was cancelled or timed out, and so may have left an answer behind; else it is kept.
  ///
  /// - Parameter error: What the call threw.
  /// - Returns: Never ``reconnect``: nothing is taken for a death by guess.
  public static func standard(after error: any Error) -> SessionFate {
    EngineError.isEnding(EngineError.cause(of: error)) ? .discard : .keep
  }
}
