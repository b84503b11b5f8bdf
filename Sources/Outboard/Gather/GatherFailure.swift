/// One of several operations that failed.
public struct GatherFailure: Sendable, CustomStringConvertible {
  /// Its number, from 0.
  public let index: Int
  /// What it threw.
  public let error: any Error

  init(_ index: Int, _ error: any Error) {
    self.index = index
    self.error = error
  }

  /// Number and error.
  public var description: String { "operation \(index): \(error)" }
}
