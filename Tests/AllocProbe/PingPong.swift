/// Where two tasks on a loop take turns: each turn suspends one of them and resumes the other.
///
/// `@unchecked Sendable`: used on the loop thread only.
@safe final class PingPong: @unchecked Sendable {
  private var waiting: UnsafeContinuation<Void, Never>?

  func turn() async {
    await unsafe withUnsafeContinuation { mine in
      let partner = unsafe waiting
      unsafe waiting = mine
      unsafe partner?.resume()
    }
  }

  func finish() {
    unsafe waiting?.resume()
    unsafe waiting = nil
  }
}
