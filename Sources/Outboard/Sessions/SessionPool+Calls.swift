extension SessionPool {
  /// Runs a call with a session that nobody else uses meanwhile.
  ///
  /// The body runs in the caller's task, where it is. When the source says of its error that the
  /// session had died, it runs a second time on a fresh one, once. Errors of disconnecting go to
  /// ``SessionSource/report(_:)`` and never take the place of the call's outcome, which does not
  /// wait for them. Any task; from a host's thread, inside `callAndWait`.
  ///
  /// - Parameters:
  ///   - deadline: When to stop waiting for a session, if that comes before the pool's own
  ///     `acquireDeadline`. To limit all of it, use ``withDeadline(_:_:)``.
  ///   - body: Must not keep the session.
  /// - Returns: What the body returned.
  /// - Throws: The error of the body, or of connecting, as it is. For want of a session:
  ///   ``EngineError/timedOut(_:)``, ``EngineError/queueFull`` when too many wait,
  ///   ``EngineError/shutdown``, ``EngineError/cancelled``, ``EngineError/deadlock(_:)`` when the
  ///   task has a session of this pool already and would have to wait for another.
  public func withSession<R>(
    deadline: Deadline = .never, _ body: (Source.Session) async throws -> R
  ) async throws -> R {
    let grant = try await acquire(deadline, holding: HeldTurns.of(identity))
    return try await HeldTurns.with(grant.lease, of: identity) {
      try await call(grant, body)
    }
  }

  private func call<R>(
    _ grant: State.Grant, _ body: (Source.Session) async throws -> R
  ) async throws -> R {
    let lease = grant.lease
    var session = try await session(of: grant)
    var mayReconnect = true
    while true {
      do {
        let result = try await body(session)
        giveBack(lease, session, suspect: false)
        return result
      } catch {
        switch source.fate(after: EngineError.cause(of: error)) {
        case .keep:
          giveBack(lease, session, suspect: true)
          throw error
        case .reconnect where mayReconnect && !Task.isCancelled:
          mayReconnect = false
          source.report(.reconnecting(error))
          await disconnect(session)
          session = try await connect(lease)
        case .reconnect, .discard:
          discard(lease, session)
          throw error
        }
      }
    }
  }

  /// A session for a place: the one that is there if it is healthy, else a fresh one.
  private func session(of grant: State.Grant) async throws -> Source.Session {
    guard let idle = grant.idle else { return try await connect(grant.lease) }
    let trusted = Expiry(after: options.trustedFor.saturatedNanoseconds, now: idle.since)
    if !idle.suspect, trusted.remaining(at: time.now()) > 0 { return idle.session }
    var problem: (any Error)?
    do {
      if try await source.isHealthy(idle.session) { return idle.session }
    } catch {
      problem = error
    }
    if Task.isCancelled {  // which says nothing about the session's health, but much of its state
      discard(grant.lease, idle.session)
      throw EngineError.cancelled
    }
    source.report(.unhealthy(problem))
    await disconnect(idle.session)
    return try await connect(grant.lease)
  }

  /// Connects in a place; gives it up when that fails.
  private func connect(_ lease: UInt64) async throws -> Source.Session {
    do {
      if Task.isCancelled { throw EngineError.cancelled }
      return try await source.connect()
    } catch {
      release(lease)
      throw error
    }
  }
}
