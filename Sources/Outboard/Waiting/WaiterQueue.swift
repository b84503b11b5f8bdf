/// Who waits for the same thing, in the order of arrival.
struct WaiterQueue {
  /// The oldest first, from `head` on.
  private var ids: [UInt64] = []
  private var head = 0

  var count: Int { ids.count - head }
  var isEmpty: Bool { count == 0 }
  var all: ArraySlice<UInt64> { ids[head...] }

  mutating func append(_ id: UInt64) { ids.append(id) }

  mutating func popFirst() -> UInt64? {
    guard head < ids.count else { return nil }
    defer {
      head += 1
      if head * 2 > ids.count {  // each element is moved once at most on average
        ids.removeFirst(head)
        head = 0
      }
    }
    return ids[head]
  }

  /// - Returns: False when it was not there.
  mutating func remove(_ id: UInt64) -> Bool {
    guard let index = ids[head...].firstIndex(of: id) else { return false }
    ids.remove(at: index)
    return true
  }
}
