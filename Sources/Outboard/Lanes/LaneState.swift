/// Whose turn it is under each key. A key that nobody uses is not kept.
struct LaneState<Key: Hashable & Sendable> {
  /// What a waiter is told.
  enum Notice {
    case turn(UInt64)
    case refused(EngineError)
  }

  private struct Waiter {
    let key: Key
    /// Turns that its task has, or has had.
    let held: [UInt64]
  }

  private struct Queue {
    /// The turn that is taken.
    var turn: UInt64
    var waiters = WaiterQueue()
  }

  private let waiterLimit: Int
  private var queues: [Key: Queue] = [:]
  private var waiting: [UInt64: Waiter] = [:]
  /// The keys of turns that are taken.
  private var turns: [UInt64: Key] = [:]
  private var lastTurn: UInt64 = 0

  init(waiterLimit: Int) { self.waiterLimit = waiterLimit }

  var keyCount: Int { queues.count }
  var waiterCount: Int { waiting.count }

  /// Somebody wants its turn under a key.
  ///
  /// - Parameters:
  ///   - waiter: Told later if it has to wait.
  ///   - key: Under which.
  ///   - held: Turns that its task has, or has had.
  /// - Returns: What it is told at once; nil when it has to wait.
  mutating func enter(_ waiter: UInt64, _ key: Key, holding held: [UInt64]) -> Notice? {
    guard let queue = queues[key] else {
      let turn = newTurn(key)
      queues[key] = Queue(turn: turn)
      return .turn(turn)
    }
    let held = held.filter { turns[$0] != nil }
    if !held.isEmpty, leads(from: queue.turn, to: held) {
      return .refused(
        .deadlock("a task that has its turn in this lane waits for a turn that waits for it"))
    }
    if waiting.count >= waiterLimit { return .refused(.queueFull) }
    waiting[waiter] = Waiter(key: key, held: held)
    queues[key]?.waiters.append(waiter)
    return nil
  }

  /// Whether a turn waits, by way of others or not, for one of those that are held; or is one.
  private func leads(from start: UInt64, to held: [UInt64]) -> Bool {
    var (seen, next) = (Set<UInt64>(), [start])
    while let turn = next.popLast() {
      if held.contains(turn) { return true }
      guard seen.insert(turn).inserted else { continue }
      for waiter in waiting.values where waiter.held.contains(turn) {
        if let queue = queues[waiter.key] { next.append(queue.turn) }
      }
    }
    return false
  }

  private mutating func newTurn(_ key: Key) -> UInt64 {
    lastTurn += 1
    turns[lastTurn] = key
    return lastTurn
  }

  /// A waiter is cancelled or out of time.
  ///
  /// - Returns: False when it does not wait any more.
  mutating func leave(_ waiter: UInt64) -> Bool {
    guard let left = waiting.removeValue(forKey: waiter) else { return false }
    return queues[left.key]?.waiters.remove(waiter) == true
  }

  /// A turn is over.
  ///
  /// - Returns: Whose turn it is now, if anybody waits.
  mutating func end(_ turn: UInt64) -> (waiter: UInt64, turn: UInt64)? {
    guard let key = turns.removeValue(forKey: turn) else {
      preconditionFailure("Outboard: a turn ended twice")
    }
    guard let waiter = queues[key]?.waiters.popFirst() else {
      queues[key] = nil
      return nil
    }
    waiting[waiter] = nil
    let next = newTurn(key)
    queues[key]?.turn = next
    return (waiter, next)
  }
}
