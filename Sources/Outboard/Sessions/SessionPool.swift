/// Many callers share few sessions: connections, or whatever else is used by one call at a time.
///
/// A lease is exclusive. Connecting, checking, calling and disconnecting in one place of the pool
/// never overlap, however the calls are multiplexed onto the loop. Callers that find no session
/// free are served in the order in which they came; their number and their wait are bounded.
///
/// Idle sessions are disconnected after a time, and when the pool goes. To wait for that, and for
/// calls that are under way, use ``shutdown(deadline:)``.
///
/// `@unchecked Sendable`: `state` and `reaper` are protected by `room`'s lock.
public final class SessionPool<Source: SessionSource>: @unchecked Sendable {
  typealias State = SessionPoolState<Source.Session>

  let room = WaitingRoom<State.Notice>()
  private var state: State
  /// Disconnects what has been idle too long; nil while nothing is idle.
  private var reaper: Task<Void, Never>?
  private let reaps: Bool

  let identity = HeldTurns.newOwner()
  let source: Source
  let options: SessionPoolOptions
  let time: TimeSource
  private let executor: LoopExecutor

  /// Makes an empty pool.
  ///
  /// - Parameters:
  ///   - engine: On whose loop sessions are disconnected, and time is kept.
  ///   - source: Makes and ends sessions.
  ///   - options: Its limits.
  /// - Throws: ``EngineError/invalidArgument(_:)`` naming an option that is out of range.
  public convenience init(
    on engine: Engine, _ source: Source, _ options: SessionPoolOptions = SessionPoolOptions()
  ) throws(EngineError) {
    try self.init(engine, source, options, .timers(of: engine))
  }

  init(
    _ engine: Engine, _ source: Source, _ options: SessionPoolOptions, _ time: TimeSource
  ) throws(EngineError) {
    try options.check()
    self.options = options
    self.source = source
    self.time = time
    executor = engine.executor
    state = State(options)
    reaps = options.idleTimeout != nil
  }

  /// No lease is out, as each holds the pool.
  deinit {
    reaper?.cancel()
    for (_, session) in state.close().disconnect {
      Self.inBackground(executor, source, options, time, session)
    }
  }

  /// How many sessions there are and who waits. Any thread.
  public var statistics: SessionPoolStatistics {
    room.locked {
      SessionPoolStatistics(
        idle: state.idle.count, taken: state.leases.count, waiting: state.waiters.count)
    }
  }

  // MARK: Leases

  /// Waits for a place.
  func acquire(_ deadline: Deadline, holding held: [UInt64]) async throws -> State.Grant {
    let expiry = min(deadline.expiry(by: time), options.acquireDeadline.expiry(by: time))
    if expiry.remaining(at: time.now()) == 0 { throw EngineError.timedOut(nil) }
    if Task.isCancelled { throw EngineError.cancelled }
    let notice = await room.wait(until: expiry, by: time) { waiter in
      state.enter(waiter, holding: held)
    } leave: { waiter, reason in
      self.leave(waiter, reason)
    }
    switch notice {
    case .granted(let grant): return grant
    case .refused(let reason): throw reason
    case .closed: throw EngineError.shutdown
    }
  }

  private func leave(_ waiter: UInt64, _ reason: EngineError) {
    room.locked {
      if state.leave(waiter) { room.tell(waiter, .refused(reason)) }
    }
  }

  func giveBack(_ lease: UInt64, _ session: Source.Session, suspect: Bool) {
    perform { $0.giveBack(lease, session, suspect: suspect, now: time.now()) }
  }

  func release(_ lease: UInt64) {
    perform { $0.release(lease) }
  }

  /// Disconnects a session, and then gives up its place; does not wait for it.
  func discard(_ lease: UInt64, _ session: Source.Session) {
    Task.detached(executorPreference: executor) {
      await self.disconnect(session)
      self.release(lease)
    }
  }

  /// Disconnects a session, not cancelled along with the caller.
  func disconnect(_ session: Source.Session) async {
    await Self.inBackground(executor, source, options, time, session).value
  }

  @discardableResult
  private static func inBackground(
    _ executor: LoopExecutor, _ source: Source, _ options: SessionPoolOptions, _ time: TimeSource,
    _ session: Source.Session
  ) -> Task<Void, Never> {
    Task.detached(executorPreference: executor) {
      do {
        try await withExpiry(options.disconnectDeadline.expiry(by: time), time) {
          try await source.disconnect(session)
        }
      } catch {
        source.report(.disconnectFailed(error))
      }
    }
  }

  /// Changes the state and does what follows from it.
  private func perform(_ change: (inout State) -> State.Effects) {
    let disconnect = room.locked {
      let effects = change(&state)
      for (waiter, notice) in effects.notices { room.tell(waiter, notice) }
      if reaps, reaper == nil, !state.idle.isEmpty { reaper = startReaper() }
      return effects.disconnect
    }
    for (lease, session) in disconnect { discard(lease, session) }
  }

  // MARK: Idle sessions

  private func startReaper() -> Task<Void, Never> {
    Task.detached(executorPreference: executor) { [weak self, time] in
      while let pause = self?.reap() {
        // Cancelled, as the pool has gone.
        do throws(EngineError) { try await time.sleep(pause) } catch { return }
      }
    }
  }

  /// - Returns: When to come again; nil when nothing is idle.
  private func reap() -> UInt64? {
    var pause: UInt64?
    perform { state in
      let (effects, after) = state.expire(now: time.now())
      pause = after
      if after == nil { reaper = nil }
      return effects
    }
    return pause
  }

  // MARK: The end

  /// Ends the pool: who waits is refused, idle sessions are disconnected, the others when their
  /// calls are through.
  ///
  /// May be called more than once.
  ///
  /// - Parameter deadline: When to stop waiting for it. It goes on; call again to wait longer.
  /// - Throws: ``EngineError/timedOut(_:)`` telling how many sessions are still in use;
  ///   ``EngineError/cancelled``; ``EngineError/deadlock(_:)`` from inside a call on one of its
  ///   sessions: the end has begun.
  public func shutdown(deadline: Deadline = .seconds(5)) async throws(EngineError) {
    perform { state in
      reaper?.cancel()
      reaper = nil
      return state.close()
    }
    let held = HeldTurns.of(identity)
    let notice = await room.wait(until: deadline.expiry(by: time), by: time) { waiter in
      if held.contains(where: state.leases.contains) {
        return .refused(.deadlock("a session of this pool waits for the pool's end"))
      }
      return state.awaitEnd(waiter)
    } leave: { waiter, reason in
      self.leave(waiter, reason)
    }
    guard case .refused(let reason) = notice else { return }
    guard case .timedOut = reason else { throw reason }
    throw .timedOut("\(statistics.taken) sessions are in use or being disconnected")
  }
}
