/// What a call does when the engine's queue is full.
public enum QueueFullPolicy: Sendable, Hashable {
  /// Fails at once with ``EngineError/queueFull``.
  case fail
  /// Waits for room until the call's deadline: blocking calls block, awaited ones suspend.
  case wait
}
