/// Tells any number of suspended tasks to look again.
///
/// `@unchecked Sendable`: `state` is protected by `monitor`.
final class Signal: @unchecked Sendable {
  /// A suspended task, to be resumed once.
  @safe private struct Waiter {
    private let continuation: UnsafeContinuation<Void, Never>

    init(_ continuation: UnsafeContinuation<Void, Never>) {
      unsafe self.continuation = continuation
    }

    func resume() { unsafe continuation.resume() }
  }

  private let monitor = Monitor()
  private var state = SignalState<Waiter>()

  /// To be read before the look that a wait may follow.
  var generation: UInt64 { monitor.locked { state.generation } }

  /// Resumes who waits. Any thread; never blocks.
  func give() {
    for waiter in monitor.locked({ state.give() }) { waiter.resume() }
  }

  /// Suspends until the signal is given, or the task is cancelled.
  ///
  /// - Parameter seen: The generation before the look that found nothing.
  func wait(since seen: UInt64) async {
    let id = monitor.locked { state.makeID() }
    await withTaskCancellationHandler {
      await unsafe withUnsafeContinuation { continuation in
        let waiter = unsafe Waiter(continuation)
        // Cancelled before it is added, it would not be found by the handler below.
        let waits = monitor.locked {
          !Task.isCancelled && state.add(waiter, id: id, since: seen)
        }
        if !waits { waiter.resume() }
      }
    } onCancel: {
      monitor.locked { state.remove(id: id) }?.resume()
    }
  }
}
