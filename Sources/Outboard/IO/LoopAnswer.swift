internal import Synchronization

/// What a closure on the loop has answered to a task elsewhere. See ``LoopWait`` for why that does not
/// go through the continuation.
///
/// `@unchecked Sendable`: `value` is written before `isSet`, and read after.
final class LoopAnswer<R: Sendable>: @unchecked Sendable {
  private var value: R?
  private let isSet = Atomic<Bool>(false)

  /// Once.
  func set(_ value: R) {
    self.value = value
    isSet.store(true, ordering: .releasing)
  }

  /// Nil before it is set.
  var current: R? { isSet.load(ordering: .acquiring) ? value : nil }
}

extension LoopExecutor {
  /// Runs a closure on the loop thread, exempt from the queue limit, and awaits its answer.
  ///
  /// - Parameter body: Runs once at most.
  /// - Returns: Its answer; nil when the loop has closed.
  func ask<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R? {
    let answer = LoopAnswer<R>()
    await unsafe withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
      let runs = LoopErrand.run(on: self) {
        answer.set(body())
        unsafe continuation.resume()
      }
      if !runs { unsafe continuation.resume() }
    }
    return answer.current
  }
}
