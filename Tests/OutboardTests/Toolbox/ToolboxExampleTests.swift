import Outboard
import Testing

// The examples of the README's part on task management, as they stand there. What they need beside
// Outboard is at the end.

private struct Connections: SessionSource {
  let engine: Engine
  let port: UInt16

  func connect() async throws -> Client {
    try await engine.offload { try Client(port: port) }
  }

  func disconnect(_ client: Client) async throws { client.close() }

  func isHealthy(_ client: Client) async throws -> Bool {
    try await engine.offload { try client.ask("ping") } == "ping"
  }

  func fate(after error: any Error) -> SessionFate {
    error is HungUp ? .reconnect : .standard(after: error)
  }
}

@Suite("Examples of the README", .timeLimit(.minutes(1)))
struct ToolboxExampleTests {
  private let engine: Engine
  private let server = LoopbackServer { connection, _ in
    while let line = readLine(from: connection) { try? sendLine(line, to: connection) }
  }
  private let client: Client
  private var port: UInt16 { server.port }

  init() throws {
    engine = try Engine()
    client = try Client(port: server.port)
  }

  /// Until here the client has been used.
  private func end() {
    client.close()
    server.stop()
  }

  @Test("Deadlines and retry")
  func deadlines() async throws {
    let answer = try await withDeadline(.seconds(20)) {
      try await retry(RetryPolicy(attempts: 5, attemptDeadline: .seconds(10))) {
        try await engine.offload { try client.ask("hello") }
      }
    }
    #expect(answer == "hello")
    end()
  }

  @Test("Gather and race")
  func gathering() async throws {
    let squares = try await gather(1...10, limit: 4) { number in number * number }

    let outcomes = try await gatherAll(["1", "2", "three"]) { text in
      guard let number = Int(text) else { throw NotANumber(text: text) }
      return number
    }
    print(outcomes.values, outcomes.failures)  // [1, 2] [operation 2: ...]

    let first = try await race(
      { try await engine.offload { try client.ask("hello") } },
      {
        try await engine.sleep(for: .seconds(30))
        return "too late"
      })
    #expect(squares.last == 100)
    #expect(outcomes.values == [1, 2])
    #expect("\(outcomes.failures)" == "[operation 2: NotANumber(text: \"three\")]")
    #expect(first == "hello")
    end()
  }

  @Test("Blocking functions")
  func blocking() async throws {
    let client = client
    let version = Memo(keeping: .for(.seconds(60))) { try client.ask("version?") }

    let first = try await version.value(on: engine)  // the first pays for the hop to the pool
    let later = try await version.value(on: engine)  // later ones do not even suspend
    let kept = version.kept  // what is kept, from anywhere
    #expect([first, later, kept] == ["version?", "version?", "version?"])
    end()
  }

  @Test("Sessions")
  func sessions() async throws {
    let pool = try SessionPool(
      on: engine, Connections(engine: engine, port: port), SessionPoolOptions(limit: 2))
    let reply = try await pool.withSession { client in
      try await engine.offload { try client.ask("hello") }
    }
    let again = try await pool.withSession { client in
      try await engine.offload { try client.ask("again") }
    }
    try await pool.shutdown()
    #expect([reply, again] == ["hello", "again"])
    end()
  }

  @Test("Lanes")
  func lanes() async throws {
    let store = Counter()
    let read: (String) async throws -> Int = { _ in store.value }
    let write: (String, Int) async throws -> Void = { store.add($1 - store.value) }

    let accounts = try Lane<String>()
    try await accounts.run("alice") {
      let balance = try await read("alice")
      try await write("alice", balance + 10)  // nobody has come between
    }
    #expect(store.value == 10)
    end()
  }

  @Test("Configuration from the environment")
  func environment() async throws {
    let engine = try Engine(.fromEnvironment(prefix: "MYPLUGIN_"))
    try await engine.shutdown()
    end()
  }
}

// MARK: What the examples use

private struct HungUp: Error {}

private struct NotANumber: Error {
  let text: String
}

/// A blocking connection on which one line is answered by one.
private struct Client: Sendable {
  private let line: LineClient

  init(port: UInt16) throws { line = try LineClient(port: port) }

  func ask(_ text: String) throws -> String {
    do { return try line.ask(text) } catch let fault as Fault where fault.code == -1 {
      throw HungUp()
    }
  }

  func close() { line.close() }
}
