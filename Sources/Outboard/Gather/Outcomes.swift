/// How each of a number of operations ended, in their order.
public struct Outcomes<R: Sendable>: Sendable, RandomAccessCollection {
  private let results: [Result<R, any Error>]

  /// The failures, in the order in which they happened.
  public let failures: [GatherFailure]

  init(_ results: [Result<R, any Error>], _ failures: [GatherFailure]) {
    self.results = results
    self.failures = failures
  }

  /// 0.
  public var startIndex: Int { results.startIndex }

  /// How many there are.
  public var endIndex: Int { results.endIndex }

  /// The outcome of one operation.
  ///
  /// - Parameter index: Its number, from 0.
  public subscript(index: Int) -> Result<R, any Error> { results[index] }

  /// The results of those that succeeded, in their order.
  public var values: [R] { results.compactMap { try? $0.get() } }

  /// The results of all.
  ///
  /// - Returns: One for each operation.
  /// - Throws: ``GatherError`` with every failure, unless there is none.
  public func get() throws(GatherError) -> [R] {
    if let first = failures.first {
      throw GatherError(first: first, others: Array(failures.dropFirst()))
    }
    return values
  }
}
