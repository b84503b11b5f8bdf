/// Runs an operation for each of a number of inputs at once, and ends with the first failure.
///
/// Then the others are cancelled and awaited; what they end with is dropped. To see every outcome,
/// use ``gatherAll(_:limit:_:)``. Any task; on a loop, every step runs there. Cancelling the caller
/// cancels what runs and starts no more.
///
/// - Parameters:
///   - inputs: One operation for each.
///   - limit: Most that run at once; they start in the order of the inputs.
///   - operation: Runs as a child task.
/// - Returns: The results, in the order of the inputs.
/// - Throws: The first error as it is; ``EngineError/cancelled`` when the caller was cancelled
///   before all had started; ``EngineError/invalidArgument(_:)`` for a limit below 1.
public func gather<Input: Sendable, R: Sendable>(
  _ inputs: some Collection<Input>, limit: Int = .max,
  _ operation: @escaping @Sendable (Input) async throws -> R
) async throws -> [R] {
  let outcomes = try await runAll(inputs, GatherState(inputs.count, limit, .failFast), operation)
  if let first = outcomes.failures.first { throw first.error }
  return outcomes.values
}

/// Runs operations at once, and ends with the first failure. See ``gather(_:limit:_:)``.
///
/// - Parameters:
///   - operations: Each runs as a child task.
///   - limit: Most that run at once.
/// - Returns: Their results, in their order.
/// - Throws: As there.
public func gather<R: Sendable>(
  _ operations: [@Sendable () async throws -> R], limit: Int = .max
) async throws -> [R] {
  try await gather(operations, limit: limit) { try await $0() }
}

/// Runs an operation for each of a number of inputs at once, and returns every outcome.
///
/// A failure neither cancels the others nor hides them: `try outcomes.get()` re-raises the first
/// with the others attached. Any task; on a loop, every step runs there. Cancelling the caller
/// cancels what runs; what has not started does not, and its outcome is ``EngineError/cancelled``.
///
/// - Parameters:
///   - inputs: One operation for each.
///   - limit: Most that run at once; they start in the order of the inputs.
///   - operation: Runs as a child task.
/// - Returns: The outcomes, in the order of the inputs.
/// - Throws: ``EngineError/invalidArgument(_:)`` for a limit below 1, and nothing else.
public func gatherAll<Input: Sendable, R: Sendable>(
  _ inputs: some Collection<Input>, limit: Int = .max,
  _ operation: @escaping @Sendable (Input) async throws -> R
) async throws(EngineError) -> Outcomes<R> {
  try await runAll(inputs, GatherState(inputs.count, limit, .collectAll), operation)
}

/// Runs operations at once, and returns every outcome. See ``gatherAll(_:limit:_:)``.
///
/// - Parameters:
///   - operations: Each runs as a child task.
///   - limit: Most that run at once.
/// - Returns: Their outcomes, in their order.
/// - Throws: As there.
public func gatherAll<R: Sendable>(
  _ operations: [@Sendable () async throws -> R], limit: Int = .max
) async throws(EngineError) -> Outcomes<R> {
  try await gatherAll(operations, limit: limit) { try await $0() }
}

private func runAll<Input: Sendable, R: Sendable>(
  _ inputs: some Collection<Input>, _ start: GatherState,
  _ operation: @escaping @Sendable (Input) async throws -> R
) async throws(EngineError) -> Outcomes<R> {
  try start.check()
  return await withTaskGroup(of: (Int, Result<R, any Error>).self) { group in
    var (state, inputs, outcomes) = (start, inputs.makeIterator(), OutcomeCollector<R>(start.count))
    while true {
      switch state.next(cancelled: Task.isCancelled) {
      case .start(let index):
        guard let input = inputs.next() else {
          preconditionFailure("Outboard: a collection has fewer elements than its count says")
        }
        group.addTask { (index, await Result(awaiting: { try await operation(input) })) }
      case .refuse(let index):
        outcomes.add(.failure(EngineError.cancelled), at: index)
      case .wait:
        guard let (index, result) = await group.next() else { continue }
        outcomes.add(result, at: index)
        if state.ended(result) { group.cancelAll() }
      case .finish:
        return outcomes.all
      }
    }
  }
}
