/// The deadline of the current task: that of every scope around it, the smallest.
///
/// An instant on the engine's monotonic clock, as only there it means the same in each task. A
/// task-local value: children inherit it, and so does `Task { }`; `Task.detached` does not. An
/// engine's asynchronous bodies are given that of their call.
enum AmbientDeadline {
  @TaskLocal static var expiry = Expiry.never

  /// Runs an operation under a deadline, which is no later than the one around it.
  ///
  /// The deadline is only told, not enforced.
  static func with<R>(_ expiry: Expiry, _ operation: () async throws -> R) async rethrows -> R {
    if expiry == .never { return try await operation() }
    return try await $expiry.withValue(expiry) { try await operation() }
  }
}
