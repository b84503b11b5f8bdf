/// How many elements a stream holds, and what becomes of those that find no room.
public struct StreamBuffer: Sendable, Hashable {
  let capacity: Int
  let keepsLatest: Bool

  /// A sender that finds no room waits for it: until half of the buffer is free again.
  ///
  /// - Parameter capacity: Elements; 1 to 1,048,576.
  /// - Returns: The buffer.
  public static func bounded(_ capacity: Int) -> StreamBuffer {
    StreamBuffer(capacity: capacity, keepsLatest: false)
  }

  /// The oldest element makes room for a new one, so that sending never waits: for progress, where
  /// only the newest counts.
  ///
  /// - Parameter capacity: Elements; 1 to 1,048,576.
  /// - Returns: The buffer.
  public static func latest(_ capacity: Int) -> StreamBuffer {
    StreamBuffer(capacity: capacity, keepsLatest: true)
  }
}
