internal import Synchronization

/// An engine of a group, and how many of the group's calls it has under way.
final class Member: Sendable {
  let engine: Engine
  private let calls = Atomic<Int>(0)

  init(_ engine: Engine) { self.engine = engine }

  /// The group's calls that have been handed in and have not ended. Any thread.
  var load: Int { calls.load(ordering: .relaxed) }

  func begin() { calls.wrappingAdd(1, ordering: .relaxed) }

  func end() { calls.wrappingSubtract(1, ordering: .relaxed) }
}
