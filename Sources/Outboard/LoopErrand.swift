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
    status(on: executor, body) == OB_OK.rawValue
  }

  /// The same, saying why the closure will not run: shutdown, or a fork.
  static func status(on executor: LoopExecutor, _ body: @escaping @Sendable () -> Void) -> Int32 {
    if executor.isOnLoop {
      body()
      return OB_OK.rawValue
    }
    let memory = UnsafeMutablePointer<LoopErrand>.allocate(capacity: 1)
    unsafe memory.initialize(to: LoopErrand(body))
    unsafe memory.pointee.node.run = { node, _ in
      guard let node = unsafe node else { return }
      let memory = unsafe UnsafeMutableRawPointer(node).assumingMemoryBound(to: LoopErrand.self)
      unsafe LoopErrand.take(memory).body()
    }
    let status = unsafe ob_spi_push(executor.handle, &memory.pointee.node)
    if status != OB_OK.rawValue { _ = unsafe take(memory) }
    return status
  }

  private static func take(_ memory: UnsafeMutablePointer<LoopErrand>) -> LoopErrand {
    defer { unsafe memory.deallocate() }
    return unsafe memory.move()
  }
}
