extension EngineGroup {
  /// Stops all engines and blocks until their threads have ended.
  ///
  /// All are told before any is waited for. In drain mode each lets only its own loop submit more:
  /// work that goes on to another engine of the group is refused there.
  ///
  /// - Parameters:
  ///   - mode: What happens to work that was accepted before.
  ///   - deadline: When to stop waiting, for all together. The stop goes on; call again to wait
  ///     longer.
  /// - Throws: ``EngineError/timedOut(_:)`` naming what still runs, on whichever engines;
  ///   ``EngineError/stopInProgress`` on the group's own threads: the stop has begun;
  ///   ``EngineError/forked``.
  @available(*, noasync, message: "blocks the thread; await shutdown() in its place")
  public func shutdownAndWait(
    mode: Engine.StopMode = .cancel, deadline: Deadline = .seconds(5)
  ) throws(EngineError) {
    let expiry = deadline.expiry
    for engine in engines { engine.beginStop(mode) }
    var failures: [EngineError] = []
    for engine in engines {
      do { try engine.stop(mode, nanoseconds: expiry.remaining) } catch { failures.append(error) }
    }
    if let failure = EngineError(ofStops: failures) { throw failure }
  }

  /// Stops all engines and awaits the end of their threads. See
  /// ``shutdownAndWait(mode:deadline:)``.
  ///
  /// - Parameters:
  ///   - mode: What happens to work that was accepted before.
  ///   - deadline: When to stop waiting, for all together. The stop goes on; call again to wait
  ///     longer.
  /// - Throws: As for ``shutdownAndWait(mode:deadline:)``.
  public func shutdown(
    mode: Engine.StopMode = .cancel, deadline: Deadline = .seconds(5)
  ) async throws(EngineError) {
    let expiry = deadline.expiry
    for engine in engines { engine.beginStop(mode) }
    var failures: [EngineError] = []
    for engine in engines {
      do {
        try await engine.shutdown(mode: mode, deadline: expiry.asDeadline)
      } catch {
        failures.append(error)
      }
    }
    if let failure = EngineError(ofStops: failures) { throw failure }
  }
}

extension Engine {
  /// Begins a stop and does not wait: what it would say is said by the stop that waits.
  fileprivate func beginStop(_ mode: StopMode) { try? stop(mode, nanoseconds: 0) }
}

extension Expiry {
  fileprivate var asDeadline: Deadline {
    self == .never ? .never : .after(.nanoseconds(Int64(clamping: remaining)))
  }
}

extension EngineError {
  /// One error for several engines that did not stop; nil for none. What keeps them is named
  /// together; anything else comes first.
  fileprivate init?(ofStops failures: [EngineError]) {
    var texts: [String] = []
    for failure in failures {
      guard case .timedOut(let text) = failure else {
        self = failure
        return
      }
      if let text { texts.append(text) }
    }
    if failures.isEmpty { return nil }
    self = .timedOut(texts.isEmpty ? nil : texts.joined(separator: "; "))
  }
}
