import CTestSupport
import Outboard
import Testing

/// Asks a server on loopback for a line, with libuv on the loop of the current thread.
private func ask(_ port: UInt16, _ text: String) async throws -> String {
  try await withCheckedThrowingContinuation { continuation in
    let box = unsafe Unmanaged.passRetained(Waiting(continuation)).toOpaque()
    unsafe test_ask_line(
      port, text,
      { box, status, line in
        guard let box = unsafe box else { return }
        let waiting = unsafe Unmanaged<Waiting>.fromOpaque(box).takeRetainedValue()
        if let line = unsafe line {
          waiting.continuation.resume(returning: unsafe String(cString: line))
        } else {
          waiting.continuation.resume(throwing: Fault(code: Int(status)))
        }
      }, box)
  }
}

private final class Waiting {
  let continuation: CheckedContinuation<String, any Error>

  init(_ continuation: CheckedContinuation<String, any Error>) { self.continuation = continuation }
}

@Suite("Real I/O in parallel on the loop", .timeLimit(.minutes(1)))
struct ParallelIOTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  // The server answers nobody before it has heard from both: one after the other would hang.

  @Test("async let runs two requests at once")
  func asyncLet() async throws {
    let engine = engine
    let server = LineServer(clients: 2)
    let answers = try await HostThread.run {
      try engine.callAndWait(deadline: .seconds(30)) {
        let loop = threadID
        async let first = ask(server.port, "one")
        async let second = ask(server.port, "two")
        let answers = try await [first, second]
        #expect(threadID == loop)
        return answers
      }
    }
    #expect(answers == ["answer to one", "answer to two"])
    server.join()
  }

  @Test("A task group runs many requests at once")
  func group() async throws {
    let server = LineServer(clients: 8)
    let answers = try await engine.call(deadline: .seconds(30)) {
      try await withThrowingTaskGroup(of: String.self) { group in
        for number in 0..<8 { group.addTask { try await ask(server.port, "\(number)") } }
        return try await group.reduce(into: Set<String>()) { $0.insert($1) }
      }
    }
    #expect(answers == Set((0..<8).map { "answer to \($0)" }))
    server.join()
  }

  @Test("A request and a timer: the whole takes about the longer of the two")
  func requestAndTimer() async throws {
    let server = LineServer(clients: 1)
    let order = Recorder<String>()
    try await engine.call(deadline: .seconds(30)) {
      async let timer: Void = Task.sleep(for: .milliseconds(100))
      order.add(try await ask(server.port, "me"))
      order.add("still sleeping")
      try await timer
      order.add("woken")
    }
    #expect(order.all == ["answer to me", "still sleeping", "woken"])
    server.join()
  }

  @Test("An error of the I/O reaches the caller")
  func refused() async throws {
    let server = LineServer(clients: 1)
    _ = try await engine.call { try await ask(server.port, "x") }
    server.join()
    let kind = await errorKind { () async throws(EngineError) in
      try await engine.call(deadline: .seconds(30)) { try await ask(server.port, "nobody") }
    }
    #expect(kind == "body")
  }
}
