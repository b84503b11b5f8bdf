/// One beat of a periodic timer.
public struct Tick: Sendable, Hashable {
  /// Which interval this is, counted from 0; skipped ones count.
  public let number: Int
  /// How many before it were skipped, as the one before took too long or the loop was busy.
  public let missed: Int
}
