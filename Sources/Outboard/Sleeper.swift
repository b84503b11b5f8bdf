internal import COutboard

/// A job that waits for its time on the loop's timers.
///
/// Lives in memory of its own, which a ``SleeperPool`` keeps for the next one. Holds its executor,
/// as the order in which timers end when the loop closes is not defined.
@safe struct Sleeper {
  /// First, so that a pointer to it is one to the whole.
  private var timer = unsafe ob_timer()
  /// Takes it to the loop thread when it is made elsewhere.
  private var node = unsafe ob_node()
  /// When it is due, on the engine's clock.
  private var due: Expiry
  private let executor: LoopExecutor
  private let job: UnownedJob
  private let kind: JobKind

  /// Makes a job wait. Any thread. Allocates nothing on the loop once the pool is warm.
  ///
  /// - Parameters:
  ///   - job: Run exactly once, on the loop, or on the fallback thread if the loop closes first.
  ///   - kind: As for ``LoopExecutor/submit(_:kind:)``.
  ///   - executor: Where.
  ///   - nanoseconds: From now.
  static func submit(
    _ job: UnownedJob, kind: JobKind, executor: LoopExecutor, after nanoseconds: UInt64
  ) {
    let onLoop = executor.isOnLoop
    let memory = unsafe onLoop ? executor.sleepers.take() : SleeperPool.allocate()
    unsafe memory.initialize(
      to: Sleeper(
        due: Expiry(after: nanoseconds), executor: executor, job: job, kind: kind))
    unsafe memory.pointee.timer.fire = { timer, status in unsafe Sleeper.fire(timer, status) }
    if onLoop {
      unsafe ob_spi_timer_start(executor.handle, &memory.pointee.timer, nanoseconds)
      return
    }
    unsafe memory.pointee.node.run = { node, _ in unsafe Sleeper.start(node) }
    if unsafe ob_spi_push(executor.handle, &memory.pointee.node) != OB_OK.rawValue {
      unsafe leave(memory)
    }
  }

  private init(due: Expiry, executor: LoopExecutor, job: UnownedJob, kind: JobKind) {
    self.due = due
    self.executor = executor
    self.job = job
    self.kind = kind
  }

  /// The loop thread has the node: the timer can be armed.
  private static func start(_ node: UnsafeMutablePointer<ob_node>?) {
    guard let node = unsafe node, let offset = unsafe MemoryLayout<Sleeper>.offset(of: \.node)
    else {
      return
    }
    let memory = unsafe (UnsafeMutableRawPointer(node) - offset)
      .assumingMemoryBound(to: Sleeper.self)
    let (handle, left) = unsafe (memory.pointee.executor.handle, memory.pointee.due.remaining)
    unsafe ob_spi_timer_start(handle, &memory.pointee.timer, left)
  }

  /// The time has come, or the loop closes. Loop thread.
  private static func fire(_ timer: UnsafeMutablePointer<ob_timer>?, _ status: Int32) {
    guard let timer = unsafe timer else { return }
    let memory = unsafe UnsafeMutableRawPointer(timer).assumingMemoryBound(to: Sleeper.self)
    guard status == OB_OK.rawValue else { return unsafe leave(memory) }
    let sleeper = unsafe memory.move()
    unsafe sleeper.executor.sleepers.give(memory)
    sleeper.executor.run(sleeper.job, kind: sleeper.kind)
  }

  /// The loop is closed: the rest of the time passes on the fallback thread.
  private static func leave(_ memory: UnsafeMutablePointer<Sleeper>) {
    let sleeper = unsafe memory.move()
    unsafe memory.deallocate()
    FallbackThread.shared.submit(
      sleeper.job, kind: sleeper.kind, executor: sleeper.executor,
      after: sleeper.due.remaining)
  }
}
