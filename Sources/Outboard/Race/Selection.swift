/// How a race ended: who won, and what became of everybody.
public struct Selection<R: Sendable>: Sendable {
  /// The winner's number, from 0.
  public let index: Int

  /// How each ended, the losers too: one that had its value before it was cancelled has it here, so
  /// that an element taken from a stream, for example, is not lost.
  public let outcomes: [Result<R, any Error>]

  /// How the winner ended.
  public var result: Result<R, any Error> { outcomes[index] }

  /// The winner's value.
  ///
  /// - Returns: What it returned.
  /// - Throws: Its error as it is.
  public func get() throws -> R { try result.get() }
}
