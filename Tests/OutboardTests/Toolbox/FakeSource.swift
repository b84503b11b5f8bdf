@testable import Outboard

/// Sessions that are numbers, and that do what a test tells them.
struct FakeSource: SessionSource {
  let log = Recorder<String>()
  let connected = Counter()
  let healthy = Counter()  // below zero: not
  let refuses = Counter()  // above zero: connecting fails
  /// Disconnecting waits for it, if there is one.
  var leaving: (@Sendable () async throws -> Void)?

  func connect() async throws -> Int {
    if refuses.value > 0 { throw Fault(code: 503) }
    let number = connected.add()
    log.add("connect \(number)")
    return number
  }

  func disconnect(_ session: Int) async throws {
    try await leaving?()
    log.add("disconnect \(session)")
  }

  func isHealthy(_ session: Int) async throws -> Bool {
    log.add("check \(session)")
    if healthy.value < -1 { throw Fault(code: 1) }
    return healthy.value == 0
  }

  /// 410: it had died. 400: it is discarded.
  func fate(after error: any Error) -> SessionFate {
    switch error as? Fault {
    case Fault(code: 410): .reconnect
    case Fault(code: 400): .discard
    default: .keep
    }
  }

  func report(_ event: SessionEvent) {
    switch event {
    case .disconnectFailed(let error): log.add("disconnect failed: \(error)")
    case .unhealthy(let error): log.add("unhealthy\(error.map { ": \($0)" } ?? "")")
    case .reconnecting(let error): log.add("reconnecting: \(error)")
    }
  }
}
