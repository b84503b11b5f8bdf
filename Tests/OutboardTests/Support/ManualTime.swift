@testable import Outboard

/// A clock that a test steps by hand, and the sleepers that wait for it.
///
/// `@unchecked Sendable`: everything is protected by `monitor`.
final class ManualTime: @unchecked Sendable {
  private struct Sleeper {
    let due: UInt64
    let continuation: CheckedContinuation<Void, Never>
  }

  private let monitor = Monitor()
  private var now: UInt64 = 1_000_000
  private var nextID = 0
  private var sleepers: [Int: Sleeper] = [:]
  private var lengths: [Duration] = []

  /// For what is under test.
  var source: TimeSource {
    TimeSource(now: { self.monitor.locked { self.now } }) { nanoseconds throws(EngineError) in
      try await self.sleep(nanoseconds)
    }
  }

  /// How many sleep now.
  var sleeping: Int { monitor.locked { sleepers.count } }

  /// How long each sleep was to be, in the order in which they began.
  var begun: [Duration] { monitor.locked { lengths } }

  /// Steps the clock and wakes those whose time has come.
  func advance(by duration: Duration) {
    let due = monitor.locked {
      now += duration.saturatedNanoseconds
      let due = sleepers.filter { $0.value.due <= now }
      for id in due.keys { sleepers[id] = nil }
      return due
    }
    for sleeper in due.values { sleeper.continuation.resume() }
  }

  private func sleep(_ nanoseconds: UInt64) async throws(EngineError) {
    let (id, due) = monitor.locked {
      nextID += 1
      lengths.append(Duration(nanosecondCount: nanoseconds))
      return (nextID, now + nanoseconds)
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let waits = monitor.locked {
          guard !Task.isCancelled, due > now else { return false }
          sleepers[id] = Sleeper(due: due, continuation: continuation)
          return true
        }
        if !waits { continuation.resume() }
      }
    } onCancel: {
      let sleeper = monitor.locked { sleepers.removeValue(forKey: id) }
      sleeper?.continuation.resume()
    }
    if monitor.locked({ due > now }) { throw .cancelled }
  }
}
