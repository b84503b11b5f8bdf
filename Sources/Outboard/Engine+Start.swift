internal import COutboard

extension Engine {
  /// Starts an engine and runs a hook on its loop before anybody else has it.
  ///
  /// Blocks the calling thread until the hook has returned.
  ///
  /// - Parameters:
  ///   - configuration: Its options; `startTimeout` limits the hook.
  ///   - onStart: Runs once, every step of it on the loop thread, and may use the engine. An engine
  ///     whose hook fails is stopped.
  /// - Throws: ``EngineError/startFailed(_:)`` with the hook's error, ``EngineError/timedOut(_:)``
  ///   when it took too long, and as for ``init(_:)``.
  @available(*, noasync, message: "blocks the thread; await Engine.start(_:onStart:) in its place")
  public convenience init(
    _ configuration: Configuration = Configuration(),
    onStart: @escaping @Sendable (Engine) async throws -> Void
  ) throws(EngineError) {
    try self.init(configuration)
    do {
      try callAndWait(deadline: .after(configuration.startTimeout), name: "the start hook") {
        try await onStart(self)
      }
    } catch {
      throw giveUp(error)
    }
  }

  /// Starts an engine and runs a hook on its loop before anybody else has it.
  ///
  /// - Parameters:
  ///   - configuration: Its options; `startTimeout` limits the hook.
  ///   - onStart: Runs once, every step of it on the loop thread, and may use the engine. An engine
  ///     whose hook fails is stopped.
  /// - Returns: The engine.
  /// - Throws: ``EngineError/startFailed(_:)`` with the hook's error, ``EngineError/timedOut(_:)``
  ///   when it took too long, and as for ``init(_:)``.
  public static func start(
    _ configuration: Configuration = Configuration(),
    onStart: @escaping @Sendable (Engine) async throws -> Void
  ) async throws(EngineError) -> Engine {
    let engine = try Engine(configuration)
    do {
      try await engine.call(
        deadline: .after(configuration.startTimeout), name: "the start hook"
      ) {
        try await onStart(engine)
      }
    } catch {
      throw engine.giveUp(error)
    }
    return engine
  }

  /// Begins to stop an engine that has not started well.
  private func giveUp(_ error: EngineError) -> EngineError {
    executor.beginStop()
    return switch error {
    case .body(let error): .startFailed(error)
    case .timedOut: .timedOut("the start hook did not return within startTimeout")
    default: error
    }
  }

  /// The process's shared engine, started by whoever asks first.
  ///
  /// Threads that race here wait for one start and get the same answer; after a failure the next
  /// call tries again. It is the same engine as that of `ob_engine_shared`. Once shut down it stays
  /// so. In a forked child it is a fresh one.
  ///
  /// - Parameter configuration: Its options, if this call starts it; else ignored.
  /// - Returns: The engine.
  /// - Throws: As for ``init(_:)``; ``EngineError/shutdown`` after it was shut down.
  public static func shared(
    _ configuration: Configuration = Configuration()
  ) throws(EngineError) -> Engine {
    let handle = try unsafe configuration.start(ob_engine_shared)
    return try unsafe SharedEngine.engine(for: handle)
  }
}
