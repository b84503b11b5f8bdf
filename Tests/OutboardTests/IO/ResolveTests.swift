import Outboard
import Testing

@Suite("Looking up names", .timeLimit(.minutes(1)))
struct ResolveTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  @Test("Numbers and this machine's name; the port comes along; a family is kept to")
  func found() async throws {
    #expect(try await engine.resolve("127.0.0.1", port: 80) == [.loopback(port: 80)])
    #expect(try await engine.resolve("::1", family: .ip6).map(\.description) == ["[::1]:0"])
    #expect(
      try await engine.resolve("localhost", port: 7, family: .ip4).contains(.loopback(port: 7)))
  }

  @Test("On the engine's pool, not on libuv's nor on the loop")
  func pool() async throws {
    var configuration = Engine.Configuration()
    configuration.offload.threads = 1
    configuration.offload.hardLimit = 1
    let engine = try Engine(configuration)
    let (gate, held) = (Gate(), Counter())
    let holder = Task {
      try await engine.offload {
        held.add()
        gate.pass()
      }
    }
    #expect(await eventually { held.value == 1 })
    // With its only thread held nothing is looked up, and the loop goes on.
    #expect(
      await failure { try await engine.resolve("127.0.0.1", deadline: .milliseconds(20)) }
        == "timedOut")
    let task = Task { await failure { try await engine.resolve("127.0.0.1") } }
    try await engine.call {}
    task.cancel()
    #expect(await task.value == "cancelled")
    gate.open()
    try await holder.value
    #expect(try await engine.resolve("127.0.0.1").count == 1)
  }

  @Test("Misuse, and what has no address")
  func misuse() async throws {
    for name in ["", "a\0b", String(repeating: "x", count: 2000)] {
      #expect(await failure { try await engine.resolve(name) } == "invalidArgument")
    }
    do {
      _ = try await engine.resolve("::1", family: .ip4)
      Issue.record("an IPv4 address for ::1")
    } catch {
      guard case .notFound(let text) = error else { throw error }
      #expect(text.hasPrefix("look up ::1: "))
    }
    #expect(
      await failure { try await engine.resolve("::1", deadline: .after(.zero)) } == "timedOut")
    try await engine.shutdown()
    #expect(await failure { try await engine.resolve("::1") } == "shutdown")
  }

  @Test("Connecting by name tries one address after the other")
  func connect() async throws {
    let (engine, listener) = (engine, try engine.listen(on: .loopback(port: 0)))
    guard let port = listener.address.port else { throw Fault() }
    async let accepted = listener.accept()
    let client = try await engine.connect(host: "localhost", port: port)
    _ = try await accepted
    #expect(try client.peerAddress() == listener.address)
    listener.close()
    try await engine.call {}
    #expect(await failure { try await engine.connect(host: "localhost", port: port) } == "io")
    #expect(await failure { try await engine.connect(host: "", port: port) } == "invalidArgument")
  }
}
