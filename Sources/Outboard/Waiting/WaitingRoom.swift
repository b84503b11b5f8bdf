internal import Synchronization

/// Tasks and threads that wait, each for one outcome, and the lock of whoever decides about it.
///
/// Its owner keeps its own state under ``locked(_:)`` and calls ``tell(_:_:)`` there; whom it told
/// is resumed outside the lock, as an executor may run a job where it is enqueued. The outcome
/// travels under the lock and not through the continuation, as the runtime does not tell
/// ThreadSanitizer of a resumption that precedes the suspension.
///
/// `@unchecked Sendable`: everything is protected by `monitor`, or atomic.
@safe final class WaitingRoom<Outcome: Sendable>: @unchecked Sendable {
  /// Tells a waiter that is cancelled or out of time, if it still waits. Called without the lock.
  typealias Leave = @Sendable (UInt64, EngineError) -> Void

  @safe private enum Sleeper {
    case task(UnsafeContinuation<Void, Never>)
    case thread(Bell)
  }

  private let monitor = Monitor()
  private let ids = Atomic<UInt64>(0)
  private var sleepers: [UInt64: Sleeper] = [:]
  /// Of those who have been told and have not yet looked.
  private var outcomes: [UInt64: Outcome] = [:]
  /// Told under the lock that is held now.
  private var waking: [Sleeper] = []

  /// Runs a body under the lock, then wakes whom it told. Any thread; not reentrant.
  func locked<R>(_ body: () throws -> R) rethrows -> R {
    monitor.lock()
    defer {
      let waking = waking
      self.waking = []
      monitor.unlock()
      for sleeper in waking { wake(sleeper) }
    }
    return try body()
  }

  /// Tells a waiter its outcome. Under the lock; once for each.
  func tell(_ id: UInt64, _ outcome: Outcome) {
    outcomes[id] = outcome
    if let sleeper = sleepers.removeValue(forKey: id) { waking.append(sleeper) }
  }

  /// Suspends the current task until it is told.
  ///
  /// - Parameters:
  ///   - expiry: When to stop waiting.
  ///   - time: What that is an instant of.
  ///   - enter: Called under the lock with the waiter's number; an outcome if there is no need to
  ///     wait. Then neither a timer nor a suspension is made.
  ///   - leave: Called when the task is cancelled, and at the expiry.
  /// - Returns: What it was told.
  func wait(
    until expiry: Expiry = .never, by time: TimeSource = .monotonic,
    enter: (UInt64) throws -> Outcome?, leave: @escaping Leave
  ) async rethrows -> Outcome {
    let id = ids.add(1, ordering: .relaxed).newValue
    if let outcome = try locked({ try enter(id) }) { return outcome }
    let timer = timer(expiry, time) { leave(id, .timedOut(nil)) }
    await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { continuation in
        if unsafe !sleeps(id, .task(continuation)) { unsafe continuation.resume() }
      }
    } onCancel: {
      leave(id, .cancelled)
    }
    timer?.cancel()
    return outcome(of: id)
  }

  private func timer(
    _ expiry: Expiry, _ time: TimeSource, _ expired: @escaping @Sendable () -> Void
  ) -> Task<Void, Never>? {
    let left = expiry.remaining(at: time.now())
    guard left != .max else { return nil }
    return Task.detached {
      do throws(EngineError) { try await time.sleep(left) } catch { return }  // no longer needed
      expired()
    }
  }

  /// Blocks the current thread until it is told.
  ///
  /// - Parameters:
  ///   - expiry: When to stop waiting.
  ///   - enter: As for a task.
  ///   - leave: Called at the expiry.
  /// - Returns: What it was told.
  func block(
    until expiry: Expiry, enter: (UInt64) throws -> Outcome?, leave: Leave
  ) rethrows -> Outcome {
    let id = ids.add(1, ordering: .relaxed).newValue
    if let outcome = try locked({ try enter(id) }) { return outcome }
    let bell = Bell()
    if sleeps(id, .thread(bell)), !bell.wait(until: expiry) { leave(id, .timedOut(nil)) }
    return outcome(of: id)
  }

  /// - Returns: False for one who has been told already.
  private func sleeps(_ id: UInt64, _ sleeper: Sleeper) -> Bool {
    locked {
      guard outcomes[id] == nil else { return false }
      sleepers[id] = sleeper
      return true
    }
  }

  private func outcome(of id: UInt64) -> Outcome {
    guard let outcome = locked({ outcomes.removeValue(forKey: id) }) else {
      preconditionFailure("Outboard: a waiter went on without having been told why")
    }
    return outcome
  }

  private func wake(_ sleeper: Sleeper) {
    switch sleeper {
    case .task(let continuation): unsafe continuation.resume()
    case .thread(let bell): bell.ring()
    }
  }
}
