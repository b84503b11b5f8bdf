internal import COutboard

/// A child process on the loop: watched until it has ended, and reaped there.
///
/// The loop's table of waits holds it as long as the child lives, so that it is reaped whoever has
/// lost interest.
///
/// `@unchecked Sendable`: everything but the constants belongs to the loop thread.
@safe final class ChildRecord: DescriptorWaiter, @unchecked Sendable {
  let executor: LoopExecutor
  let handle: ChildHandle
  let command: Command
  private var state: ChildState
  private var waiters: [ChildWait] = []
  private var graceTimer: LoopTimer?

  init(_ handle: ChildHandle, _ command: Command, _ executor: LoopExecutor) {
    self.executor = executor
    self.handle = handle
    self.command = command
    state = ChildState(leadsGroup: handle.leadsGroup)
  }

  /// Begins to watch it. Any thread, once. If the loop has closed, it ends.
  func watch() {
    let runs = LoopErrand.run(on: executor) { self.begin() }
    if !runs { perform(state.unwatched(.shutdown)) }
  }

  // MARK: Loop thread

  private func begin() {
    do {
      try LoopIO.of(executor).begin(self, fd: handle.pidfd, direction: .read, stays: true)
    } catch {
      perform(state.unwatched(error))
    }
  }

  /// How it ended; nil while it lives.
  var end: ChildState.End? { state.end }

  func ended(_ error: EngineError?) {
    if let error { perform(state.unwatched(error)) } else { perform(state.ready()) }
  }

  /// TERM now, KILL after the command's grace.
  func terminate() { perform(state.terminate()) }

  /// Sends a signal of the user's.
  ///
  /// - Returns: 0 or an `errno`.
  func signal(_ number: Int32) -> Int32 {
    state.isAlive
      ? handle.signal(number, group: handle.leadsGroup) : SystemCode.noProcess
  }

  func add(_ waiter: ChildWait) { waiters.append(waiter) }

  func remove(_ waiter: ChildWait) { waiters.removeAll { $0 === waiter } }

  private func perform(_ actions: [ChildState.Action]) {
    for action in actions {
      switch action {
      case .sendTerm: handle.signal(SystemCode.term, group: handle.leadsGroup)
      case .sendKill: handle.signal(SystemCode.kill, group: handle.leadsGroup)
      case .killGroup: handle.signal(SystemCode.kill, group: true)
      case .startGrace: startGrace()
      case .stopGrace: stopGrace()
      case .reap: reap()
      case .tell: tell()
      case .handOver:
        stopGrace()
        Reaper.shared.take(handle, grace: command.grace.saturatedNanoseconds)
      }
    }
  }

  private func startGrace() {
    graceTimer = LoopTimer(executor) { [self] status in
      graceTimer = nil
      if status == OB_OK.rawValue { perform(state.graceIsOver()) }
    }
    graceTimer?.start(after: command.grace.saturatedNanoseconds)
  }

  private func stopGrace() {
    graceTimer?.stop()
    graceTimer = nil
  }

  private func reap() {
    executor.io?.forget(handle.pidfd, "")  // before it is closed
    guard let end = handle.reap() else { return begin() }  // woken for nothing
    perform(state.reaped(end))
  }

  private func tell() {
    for waiter in waiters.take() { waiter.finish(state.end) }
  }
}

extension Array {
  /// Empties it.
  fileprivate mutating func take() -> [Element] {
    defer { self = [] }
    return self
  }
}
