import CTestSupport
import Glibc
import Outboard
import Testing

/// An error for bodies to throw.
struct Fault: Error, Equatable {
  var code = 0
}

/// The kernel's number of the current thread.
var threadID: Int64 { test_thread_id() }

extension Engine {
  /// The kernel's number of the loop thread.
  var loopThreadID: Int64 {
    get async throws { try await HostThread.run { try self.callAndWait { test_thread_id() } } }
  }
}

extension Engine {
  /// Holds the loop until so many calls are under way, so that they are sure to meet there.
  func holdUntilQueued(_ count: Int) async throws {
    let gate = Gate()
    try post { gate.pass() }
    Task {
      #expect(await eventually { (try? self.statistics().inFlight) ?? 0 > count })
      gate.open()
    }
  }
}

extension EngineError {
  /// The case without what it carries.
  var kind: String {
    let text = "\(Mirror(reflecting: self).children.first?.label ?? "\(reflected)")"
    return text
  }

  private var reflected: String {
    switch self {
    case .outOfMemory: "outOfMemory"
    case .queueFull: "queueFull"
    case .cancelled: "cancelled"
    case .shutdown: "shutdown"
    case .stopInProgress: "stopInProgress"
    case .forked: "forked"
    default: "?"
    }
  }
}

/// The kind of error that a body throws; "none" when it returns.
func errorKind<R>(_ body: () throws(EngineError) -> R) -> String {
  do {
    _ = try body()
    return "none"
  } catch {
    return error.kind
  }
}

/// The same, awaited.
func errorKind<R>(_ body: () async throws(EngineError) -> R) async -> String {
  do {
    _ = try await body()
    return "none"
  } catch {
    return error.kind
  }
}

/// Polls a condition that another thread is about to make true, for ten seconds at most.
func eventually(_ condition: () -> Bool) async -> Bool {
  for _ in 0..<10_000 {
    if condition() { return true }
    try? await Task.sleep(for: .milliseconds(1))
  }
  return condition()
}

/// The same, blocking.
func eventuallyBlocking(_ condition: () -> Bool) -> Bool {
  for _ in 0..<10_000 {
    if condition() { return true }
    usleep(1_000)
  }
  return condition()
}

/// Blocks the current thread.
func pause(milliseconds: UInt32) { usleep(milliseconds * 1_000) }

/// How many threads of the process have names that begin so.
func threadCount(_ prefix: String) -> Int { unsafe Int(test_thread_count(prefix)) }
