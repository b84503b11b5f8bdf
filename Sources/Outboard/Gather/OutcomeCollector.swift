/// Outcomes as they come, one for each number.
struct OutcomeCollector<R: Sendable> {
  private var results: [Result<R, any Error>?]
  private var failures: [GatherFailure] = []

  init(_ count: Int) { results = Array(repeating: nil, count: count) }

  mutating func add(_ result: Result<R, any Error>, at index: Int) {
    results[index] = result
    if case .failure(let error) = result { failures.append(GatherFailure(index, error)) }
  }

  /// All of them; fewer than counted only after a fail-fast end.
  var all: Outcomes<R> { Outcomes(results.compactMap { $0 }, failures) }
}
