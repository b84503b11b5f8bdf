internal import COutboard
internal import Synchronization

/// A descriptor that is ours, does not block, and may be used from any thread.
///
/// It is closed when it was asked to be and nobody is inside a system call with it any more, and not
/// before the loop has taken it out of its set: so its number is never another file's meanwhile.
@safe final class OwnedDescriptor: Sendable {
  let executor: LoopExecutor
  /// For messages: "the stream to 127.0.0.1:80".
  let name: String
  private let fd: Int32
  /// The process that opened it, as the core numbers them.
  private let process = ob_spi_process()
  private let uses = DescriptorUses()
  /// The directions that an operation has taken.
  private let taken = Atomic<UInt32>(0)
  /// System calls in a row that had their answer at once.
  private let immediate = Atomic<UInt32>(0)

  /// An operation on the loop that never has to wait lets others have their turn this often.
  private static let mostImmediate: UInt32 = 32

  /// - Parameters:
  ///   - fd: Taken over: close-on-exec, and does not block.
  ///   - executor: Whose loop waits for it.
  ///   - name: For messages.
  init(_ fd: Int32, _ executor: LoopExecutor, name: String) {
    self.fd = fd
    self.executor = executor
    self.name = name
  }

  deinit {
    if uses.beginClosing() {
      Self.giveUp(fd, executor, name) { [fd] in ob_spi_close(fd) }
    }
  }

  // MARK: Closing

  /// Ends the waits for it, and closes it soon after. Any thread; never blocks.
  func close() {
    guard uses.beginClosing() else { return }
    Self.giveUp(fd, executor, name) { self.leave() }
  }

  var isClosed: Bool { uses.isClosing }

  var closedError: EngineError { .closed("\(name) was closed here before") }

  private static func giveUp(
    _ fd: Int32, _ executor: LoopExecutor, _ name: String,
    then close: @escaping @Sendable () -> Void
  ) {
    let runs = LoopErrand.run(on: executor) {
      executor.io?.forget(fd, "\(name) was closed here while it was waited for")
      close()
    }
    // The loop has closed, and its set with it; or it is the parent's, and this only a copy.
    if !runs { close() }
  }

  // MARK: System calls

  /// Makes a system call with the descriptor, which stays open meanwhile. Any thread.
  ///
  /// - Parameter body: Returns a count, or a negative errno.
  /// - Returns: The same.
  /// - Throws: ``EngineError/closed(_:)``, ``EngineError/shutdown``, ``EngineError/forked``.
  func use<R>(_ body: (Int32) -> R) throws(EngineError) -> R {
    let fd = try enter()
    defer { leave() }
    return body(fd)
  }

  /// See `use`: for what a closure cannot carry. Must be followed by `leave`.
  func enter() throws(EngineError) -> Int32 {
    try checkProcess()
    if executor.hasClosed.load(ordering: .acquiring) { throw .shutdown }
    guard uses.enter() else { throw closedError }
    return fd
  }

  private func checkProcess() throws(EngineError) {
    guard process == ob_spi_process() else { throw .forked }
  }

  func leave() {
    if uses.leave() { ob_spi_close(fd) }
  }

  // MARK: Operations

  /// Takes a direction for an operation, which may be many system calls and waits. To be given back
  /// with `finish`.
  ///
  /// - Throws: ``EngineError/busy(_:)`` when another operation has it; ``EngineError/cancelled``;
  ///   ``EngineError/timedOut(_:)``; ``EngineError/forked``.
  func start(_ direction: IODirection, _ deadline: Deadline) throws(EngineError) -> Expiry {
    if Task.isCancelled { throw .cancelled }
    if deadline.remaining == .zero { throw .timedOut(nil) }
    try take(direction)
    return deadline.expiry
  }

  /// The same for one that does not wait.
  ///
  /// - Throws: ``EngineError/busy(_:)``; ``EngineError/forked``.
  func take(_ direction: IODirection) throws(EngineError) {
    try checkProcess()  // first: the one that has it may be the parent's
    let before = taken.bitwiseOr(direction.rawValue, ordering: .acquiringAndReleasing).oldValue
    guard before & direction.rawValue == 0 else {
      throw .busy("\(name) has a \(direction.waiter) at work; one at a time, so await it first")
    }
  }

  func finish(_ direction: IODirection) {
    taken.bitwiseAnd(~direction.rawValue, ordering: .acquiringAndReleasing)
  }

  /// What a system call said.
  ///
  /// - Returns: Its count; nil when it would have blocked.
  /// - Throws: ``EngineError/io(_:)``.
  func count(
    _ answer: Int, _ operation: @autoclosure () -> String
  ) throws(EngineError) -> Int? {
    if answer >= 0 { return answer }
    if answer == -Int(SystemCode.wouldBlock) { return nil }
    throw .io(Int32(-answer), operation())
  }

  /// Suspends until the descriptor is ready.
  func wait(_ direction: IODirection, _ expiry: Expiry) async throws(EngineError) {
    immediate.store(0, ordering: .relaxed)
    let wait = DescriptorWait(
      executor, fd: fd, direction: direction, owner: self, expiry: expiry)
    _ = try enter()  // the number stays ours until the wait has ended
    defer { leave() }
    if let error = await wait.outcome() { throw error }
  }

  /// Lets others have their turn now and then, when a system call had its answer at once.
  func breathe() async {
    guard executor.isOnLoop else { return }
    let row = immediate.add(1, ordering: .relaxed).newValue
    guard row % Self.mostImmediate == 0 else { return }
    await Task.yield()
  }
}
