internal import Synchronization

/// Counts who is inside a system call with a descriptor, so that it is closed once, when it was asked
/// to be and nobody is. Any thread.
struct DescriptorUses: ~Copyable, Sendable {
  /// Threads inside, and one for the owner; with `closing`.
  private let word = Atomic<UInt32>(1)

  private static let closing: UInt32 = 1 << 31

  var isClosing: Bool { word.load(ordering: .acquiring) & Self.closing != 0 }

  /// - Returns: False when it is to be closed, or is: its number may be another file's by now.
  func enter() -> Bool {
    var seen = word.load(ordering: .acquiring)
    while seen & Self.closing == 0 {
      let (won, now) = word.weakCompareExchange(
        expected: seen, desired: seen + 1, ordering: .acquiringAndReleasing)
      if won { return true }
      seen = now
    }
    return false
  }

  /// - Returns: True for the one who has to close it now.
  func leave() -> Bool {
    word.subtract(1, ordering: .acquiringAndReleasing).newValue == Self.closing
  }

  /// Asks for it to be closed. The first who does has to `leave` for the owner.
  ///
  /// - Returns: True for the first.
  func beginClosing() -> Bool {
    let before = word.bitwiseOr(Self.closing, ordering: .acquiringAndReleasing).oldValue
    return before & Self.closing == 0
  }
}
