/// Two tasks on a loop that take turns: each turn suspends one of them and puts the other into the
/// loop's queue.
///
/// `@unchecked Sendable`: used on the loop thread only.
@safe final class Pair: @unchecked Sendable {
  private var waiting: UnsafeContinuation<Void, Never>?
  private var isOver = false

  func turn() async {
    guard !isOver else { return }
    await unsafe withUnsafeContinuation { mine in
      let partner = unsafe waiting
      unsafe waiting = mine
      unsafe partner?.resume()
    }
  }

  /// One of the two has ended: the other goes on alone.
  func finish() {
    isOver = true
    unsafe waiting?.resume()
    unsafe waiting = nil
  }
}
