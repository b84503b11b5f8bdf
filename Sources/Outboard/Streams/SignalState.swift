/// What a ``Signal`` knows: how often it was given, and who waits for the next time.
///
/// A waiter says which time it has seen, so that one given between its look and its wait is not
/// lost.
struct SignalState<Waiter> {
  /// How often it was given.
  private(set) var generation: UInt64 = 0

  /// In the order in which they came.
  private var waiters: [(id: UInt64, waiter: Waiter)] = []
  private var lastID: UInt64 = 0

  /// A number for a waiter to come.
  mutating func makeID() -> UInt64 {
    lastID += 1
    return lastID
  }

  /// Adds a waiter, unless the signal was given since.
  ///
  /// - Parameters:
  ///   - waiter: Given back once, by `give` or `remove`.
  ///   - id: From `makeID`.
  ///   - seen: The generation before it looked.
  /// - Returns: False when it need not wait: it was not added.
  mutating func add(_ waiter: Waiter, id: UInt64, since seen: UInt64) -> Bool {
    guard generation == seen else { return false }
    waiters.append((id, waiter))
    return true
  }

  /// Gives the signal.
  ///
  /// - Returns: Who is to be resumed, in order.
  mutating func give() -> [Waiter] {
    generation += 1
    defer { waiters.removeAll(keepingCapacity: true) }
    return waiters.map(\.waiter)
  }

  /// Takes out one who does not want to wait any longer.
  ///
  /// - Returns: It, unless it was resumed or never came.
  mutating func remove(id: UInt64) -> Waiter? {
    guard let index = waiters.firstIndex(where: { $0.id == id }) else { return nil }
    return waiters.remove(at: index).waiter
  }
}
