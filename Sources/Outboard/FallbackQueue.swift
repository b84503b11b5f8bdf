/// What the fallback thread has to do, in the order in which it becomes due.
struct FallbackQueue {
  /// Something to do for an executor.
  enum Work {
    case run(UnownedJob, JobKind)
    /// Give the loop's thread back to the system.
    case join
  }

  /// When and for whom.
  struct Entry {
    let work: Work
    let executor: LoopExecutor
    let due: Expiry
  }

  /// What the thread is to do next.
  enum Action {
    case perform(Entry)
    /// Nothing is due for so many nanoseconds.
    case wait(UInt64)
    case empty
  }

  /// By the time they are due, latest first; among equals, the one that came last is first.
  private var entries: [Entry] = []

  mutating func insert(_ entry: Entry) {
    var (low, high) = (0, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].due > entry.due { low = middle + 1 } else { high = middle }
    }
    entries.insert(entry, at: low)
  }

  mutating func next() -> Action {
    guard let last = entries.last else { return .empty }
    let left = last.due.remaining
    guard left == 0 else { return .wait(left) }
    return .perform(entries.removeLast())
  }
}
