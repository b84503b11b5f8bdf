extension LoopExecutor {
  /// Runs a body on the pool that cannot be interrupted, and waits for it only as long as anybody
  /// wants to.
  ///
  /// - Parameters:
  ///   - deadline: When to stop waiting. So does cancellation. Queued, the body is then not run.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - dropped: Gets a result that comes too late. Loop thread.
  ///   - body: Runs once, on a pool thread.
  /// - Returns: What the body returned.
  /// - Throws: What the body threw, as it is; and as for `offload`.
  func abandonable<R: Sendable>(
    _ deadline: Deadline, name: StaticString = #function,
    dropped: @escaping @Sendable (R) -> Void = { _ in },
    _ body: @escaping @Sendable () throws(EngineError) -> R
  ) async throws(EngineError) -> R {
    if Task.isCancelled { throw .cancelled }
    if deadline.remaining == .zero { throw .timedOut(nil) }
    let wait = AbandonableWait<R>(self, deadline, dropped)
    // On the loop: the global pool has no threads in a fork child.
    let work = Task(executorPreference: self) {
      do throws(EngineError) {
        wait.finish(.success(try await self.offloaded(name: name, body)))
      } catch {
        wait.finish(.failure(error))
      }
    }
    if let error = await wait.outcome() {
      work.cancel()
      throw error
    }
    guard let result = wait.result else { throw .shutdown }
    return try result.get()
  }

  private func offloaded<R: Sendable>(
    name: StaticString, _ body: @escaping @Sendable () throws(EngineError) -> R
  ) async throws(EngineError) -> R {
    let call = SyncCall { Result { () throws(EngineError) in try body() } }
    let options = CallOptions(place: .pool, expiry: .never, whenFull: .wait, name: name)
    return try await call.outcome(on: self, options).get()
  }
}
