internal import Synchronization

/// Whose turn it is, for any number of threads.
final class Turn: Sendable {
  private let taken = Atomic<UInt>(0)

  /// - Parameter count: How many take turns.
  /// - Returns: 0 to `count` - 1, one after the other.
  func next(of count: Int) -> Int {
    Int(taken.wrappingAdd(1, ordering: .relaxed).oldValue % UInt(count))
  }
}
