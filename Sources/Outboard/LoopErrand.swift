internal import COutboard

/// A closure on its way to the loop thread, exempt from the queue limit.
@safe struct LoopErrand {
  /// First, so that a pointer to it is one to the whole.
  private var node = unsafe ob_node()
  private let body: @Sendable () -> Void

  private init(_ body: @escaping @Sendable () -> Void) { self.body = body }

  /// Runs a closure on the loop thread: at once when the caller is there, else soon. Any thread.
  ///
  /// - Returns: False when the loop has closed: the closure will not run.
  static func run(on executor: LoopExecutor, _ body: @escaping @Sendable () -> Void) -> Bool {
    if executor.isOnLoop {
      body()
      return true
    }
    let memory = UnsafeMutablePointer<LoopErrand>.allocate(capacity: 1)
    unsafe memory.initialize(to: LoopErrand(body))
    unsafe memory.pointee.node.run = { node, _ in
      guard let node = unsafe node else { return }
      let memory = unsafe UnsafeMutableRawPointer(node).assumingMemoryBound(to: LoopErrand.self)
      unsafe LoopErrand.take(memory).body()
    }
    if unsafe ob_spi_push(executor.handle, &memory.pointee.node) == OB_OK.rawValue { return true }
    _ = unsafe take(memory)
    return false
  }

  private static func take(_ memory: UnsafeMutablePointer<LoopErrand>) -> LoopErrand {
    defer { unsafe memory.deallocate() }
    return unsafe memory.move()
  }
}
