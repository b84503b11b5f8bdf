/// As what a job runs here: the runtime is told, else each step of it would take a detour through a
/// queue, ours or the global pool's, to find where it belongs.
enum JobKind {
  /// A nonisolated step of a task that prefers the loop.
  case preferring
  /// A step of an actor that lives on the loop.
  case isolated
  /// Of neither: the wake-up of a `Task.sleep`, which the runtime makes as a task of its own
  /// without a preference.
  case unbound
}
