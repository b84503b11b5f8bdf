/// Memory of sleepers that are through, for the next ones. Belongs to one loop thread.
@safe struct SleeperPool {
  /// Linked through their first word. Nil when there is none.
  private var free: UnsafeMutableRawPointer?
  private var count = 0

  /// Kept at most; more are given back to the allocator.
  private static let limit = 256

  /// Uninitialized memory, not from a pool.
  static func allocate() -> UnsafeMutablePointer<Sleeper> { .allocate(capacity: 1) }

  /// Uninitialized memory.
  mutating func take() -> UnsafeMutablePointer<Sleeper> {
    guard let memory = unsafe free else { return unsafe Self.allocate() }
    unsafe free = memory.load(as: UnsafeMutableRawPointer?.self)
    count -= 1
    return unsafe memory.bindMemory(to: Sleeper.self, capacity: 1)
  }

  /// Takes back memory that has been deinitialized.
  mutating func give(_ memory: UnsafeMutablePointer<Sleeper>) {
    guard count < Self.limit else { return unsafe memory.deallocate() }
    unsafe UnsafeMutableRawPointer(memory).storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
    unsafe free = UnsafeMutableRawPointer(memory)
    count += 1
  }

  /// Frees everything.
  mutating func drain() {
    while count > 0 {
      unsafe take().deallocate()
    }
  }
}
