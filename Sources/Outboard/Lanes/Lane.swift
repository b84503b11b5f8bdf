/// Runs work under one key strictly in order, and work under different keys in parallel.
///
/// For what must not interleave and has no thread of its own: the requests of one account, the
/// writes to one file. The order is that in which ``run(_:deadline:_:)`` is entered; the next
/// begins when the one before has returned, suspensions included. Keys need no set-up, and one that
/// nobody uses takes no memory.
///
/// `@unchecked Sendable`: `state` is protected by `room`'s lock.
public final class Lane<Key: Hashable & Sendable>: @unchecked Sendable {
  private let room = WaitingRoom<LaneState<Key>.Notice>()
  private var state: LaneState<Key>
  private let identity = HeldTurns.newOwner()
  private let time: TimeSource

  /// Makes a lane without keys.
  ///
  /// - Parameter waiterLimit: Most that wait for their turn, under all keys together; at least 0.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for less.
  public convenience init(waiterLimit: Int = 65_536) throws(EngineError) {
    try self.init(waiterLimit, .monotonic)
  }

  init(_ waiterLimit: Int, _ time: TimeSource) throws(EngineError) {
    if waiterLimit < 0 {
      throw .invalidArgument("Lane's waiterLimit is \(waiterLimit); 0 or more")
    }
    state = LaneState(waiterLimit: waiterLimit)
    self.time = time
  }

  /// Keys under which something runs or waits. Any thread.
  public var keyCount: Int { room.locked { state.keyCount } }

  /// How many wait for their turn. Any thread.
  public var waiterCount: Int { room.locked { state.waiterCount } }

  /// Runs a body when everything that came before it under its key is through.
  ///
  /// The body runs in the caller's task, where it is. One that is cancelled while it waits leaves
  /// the order of the others as it is. Any task; from a host's thread, inside `callAndWait`.
  ///
  /// - Parameters:
  ///   - key: What it must not interleave with.
  ///   - deadline: When to stop waiting for its turn. To limit all of it, use
  ///     ``withDeadline(_:_:)``.
  ///   - body: What to do.
  /// - Returns: What the body returned.
  /// - Throws: The body's error as it is; ``EngineError/timedOut(_:)``; ``EngineError/cancelled``;
  ///   ``EngineError/queueFull`` when too many wait; ``EngineError/deadlock(_:)`` when its task has
  ///   a turn that this one would have to wait for, by way of others or not.
  public func run<R>(
    _ key: Key, deadline: Deadline = .never, _ body: () async throws -> R
  ) async throws -> R {
    let turn = try await turn(key, deadline.expiry(by: time))
    defer { end(turn) }
    return try await HeldTurns.with(turn, of: identity, body)
  }

  private func turn(_ key: Key, _ expiry: Expiry) async throws -> UInt64 {
    if expiry.remaining(at: time.now()) == 0 { throw EngineError.timedOut(nil) }
    if Task.isCancelled { throw EngineError.cancelled }
    let held = HeldTurns.of(identity)
    let notice = await room.wait(until: expiry, by: time) { waiter in
      state.enter(waiter, key, holding: held)
    } leave: { waiter, reason in
      self.leave(waiter, reason)
    }
    switch notice {
    case .turn(let turn): return turn
    case .refused(let reason): throw reason
    }
  }

  private func leave(_ waiter: UInt64, _ reason: EngineError) {
    room.locked {
      if state.leave(waiter) { room.tell(waiter, .refused(reason)) }
    }
  }

  private func end(_ turn: UInt64) {
    room.locked {
      if let (waiter, turn) = state.end(turn) { room.tell(waiter, .turn(turn)) }
    }
  }
}
