extension Engine {
  /// Runs a body on the pool that cannot be interrupted, and waits for it only as long as anybody
  /// wants to.
  func abandonable<R: Sendable>(
    _ deadline: Deadline, name: StaticString = #function,
    _ body: @escaping @Sendable () throws(EngineError) -> R
  ) async throws(EngineError) -> R {
    if Task.isCancelled { throw .cancelled }
    if deadline.remaining == .zero { throw .timedOut(nil) }
    let wait = AbandonableWait<R>(executor, deadline)
    let executor = executor  // the engine itself may go meanwhile
    let work = Task {
      do throws(EngineError) {
        wait.finish(.success(try await executor.offloaded(name: name, body)))
      } catch {
        wait.finish(.failure(error))
      }
    }
    if let error = await wait.outcome() {
      work.cancel()  // queued, it need not run at all
      throw error
    }
    guard let result = wait.result else { throw .shutdown }
    return try result.get()
  }
}

extension LoopExecutor {
  /// Runs a body on the pool; what it throws comes through as it is.
  func offloaded<R: Sendable>(
    name: StaticString = #function, _ body: @escaping @Sendable () throws(EngineError) -> R
  ) async throws(EngineError) -> R {
    let call = SyncCall { Result { () throws(EngineError) in try body() } }
    let options = CallOptions(place: .pool, expiry: .never, whenFull: .wait, name: name)
    return try await call.outcome(on: self, options).get()
  }
}
