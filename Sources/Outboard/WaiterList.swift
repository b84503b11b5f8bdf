internal import Synchronization

/// Tasks that await the end of a call: any number, added by any thread, resumed once.
///
/// A stack that is only ever pushed to, until one exchange closes it and takes it whole.
@safe struct WaiterList: ~Copyable, Sendable {
  typealias Continuation = UnsafeContinuation<CallStatus, Never>

  /// One that waits.
  @safe private final class Waiter {
    let continuation: Continuation
    /// The one that came before, as a word of the stack.
    var next: UInt = 0

    init(_ continuation: Continuation) { unsafe self.continuation = continuation }
  }

  private static let closed = UInt.max

  /// The newest waiter, held; 0; or `closed`.
  private let head = Atomic<UInt>(0)

  /// Adds a waiter. Any thread.
  ///
  /// - Returns: False when the list is closed: the caller resumes it.
  func add(_ continuation: Continuation) -> Bool {
    let waiter = unsafe Waiter(continuation)
    let reference = unsafe Unmanaged.passRetained(waiter)
    let word = unsafe UInt(bitPattern: reference.toOpaque())
    var seen = head.load(ordering: .acquiring)
    while seen != Self.closed {
      waiter.next = seen
      let (won, now) = head.weakCompareExchange(
        expected: seen, desired: word, ordering: .acquiringAndReleasing)
      if won { return true }
      seen = now
    }
    unsafe reference.release()
    return false
  }

  /// Closes the list and resumes who is in it. Once.
  func close(_ status: CallStatus) {
    var word = head.exchange(Self.closed, ordering: .acquiringAndReleasing)
    while let pointer = unsafe UnsafeRawPointer(bitPattern: word) {
      let waiter = unsafe Unmanaged<Waiter>.fromOpaque(pointer).takeRetainedValue()
      word = waiter.next
      unsafe waiter.continuation.resume(returning: status)
    }
  }
}
