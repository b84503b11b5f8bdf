internal import Synchronization

/// What the current task holds of pools and lanes: waiting for more of the same would be waiting
/// for itself.
///
/// A task-local value: child tasks hold what their parent holds, for it waits for them. So does a
/// `Task { }` made while something is held; `Task.detached` holds nothing.
enum HeldTurns {
  struct Turn: Sendable {
    let owner: UInt64
    let id: UInt64
  }

  private static let owners = Atomic<UInt64>(0)

  /// A number for a pool or lane, never used again as an address would be.
  static func newOwner() -> UInt64 { owners.add(1, ordering: .relaxed).newValue }

  @TaskLocal private static var turns: [Turn] = []

  /// What is held of a pool or lane. Some of it may have been given back already.
  static func of(_ owner: UInt64) -> [UInt64] {
    turns.filter { $0.owner == owner }.map(\.id)
  }

  /// Runs an operation that holds one turn more.
  static func with<R>(
    _ id: UInt64, of owner: UInt64, _ operation: () async throws -> R
  ) async rethrows -> R {
    try await $turns.withValue(turns + [Turn(owner: owner, id: id)]) { try await operation() }
  }
}
