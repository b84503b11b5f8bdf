/// Runs operations against each other: the first wins, the others are cancelled and awaited.
///
/// Any task; on a loop, every step runs there. Make a timer of it with
/// `{ try await engine.sleep(for: .seconds(1)); return ... }`. What losers end with is dropped; use
/// ``select(_:rule:)`` where that matters.
///
/// - Parameters:
///   - contenders: Each runs as a child task; at least one.
///   - rule: Who wins.
/// - Returns: What the winner returned.
/// - Throws: The winner's error as it is; ``EngineError/invalidArgument(_:)`` without contenders.
public func race<R: Sendable>(
  _ contenders: (@Sendable () async throws -> R)..., rule: RaceRule = .firstToEnd
) async throws -> R {
  try await select(contenders, rule: rule).get()
}

/// Runs operations against each other and tells who won: the others are cancelled and awaited.
///
/// For calls, timers, and streams (a contender that reads the next element). Any task; on a loop,
/// every step runs there. Cancelling the caller cancels them all.
///
/// - Parameters:
///   - contenders: Each runs as a child task; at least one.
///   - rule: Who wins.
/// - Returns: The winner's number, and every outcome.
/// - Throws: ``EngineError/invalidArgument(_:)`` without contenders, and nothing else.
public func select<R: Sendable>(
  _ contenders: [@Sendable () async throws -> R], rule: RaceRule = .firstToEnd
) async throws(EngineError) -> Selection<R> {
  guard !contenders.isEmpty else { throw .invalidArgument("a race needs at least one contender") }
  return await withTaskGroup(of: (Int, Result<R, any Error>).self) { group in
    for (index, contender) in contenders.enumerated() {
      group.addTask { (index, await Result(awaiting: contender)) }
    }
    var (state, outcomes) = (RaceState(rule), OutcomeCollector<R>(contenders.count))
    for await (index, result) in group {
      outcomes.add(result, at: index)
      if state.ended(index, succeeded: (try? result.get()) != nil) { group.cancelAll() }
    }
    return Selection(index: state.result, outcomes: Array(outcomes.all))
  }
}

/// Runs operations against each other and tells who won. See `select` of an array.
///
/// - Parameters:
///   - contenders: Each runs as a child task; at least one.
///   - rule: Who wins.
/// - Returns: The winner's number, and every outcome.
/// - Throws: As there.
public func select<R: Sendable>(
  _ contenders: (@Sendable () async throws -> R)..., rule: RaceRule = .firstToEnd
) async throws(EngineError) -> Selection<R> {
  try await select(contenders, rule: rule)
}
