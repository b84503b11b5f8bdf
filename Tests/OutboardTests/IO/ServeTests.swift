import Outboard
import Testing

@Suite("Serving connections", .timeLimit(.minutes(1)))
struct ServeTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  @Test("Each in a task of its own on the loop; what one throws ends it alone")
  func serves() async throws {
    let loop = try await engine.loopThreadID
    let listener = try engine.listen(on: .loopback(port: 0))
    let server = Task {
      await failure {
        try await listener.serve { stream in
          #expect(threadID == loop)
          let text = try await stream.readToEnd(limit: 100)
          if text == Array("bad".utf8) { throw Fault() }
          try await stream.write(text)
        }
      }
    }
    let engine = engine
    @Sendable func ask(_ text: String) async throws -> String {
      let stream = try await engine.connect(to: listener.address)
      try await stream.write(text)
      try stream.finishWriting()
      return String(decoding: try await stream.readToEnd(limit: 100), as: UTF8.self)
    }
    let idle = try await engine.connect(to: listener.address)
    #expect(try await ask("good") == "good")
    #expect(try await ask("bad").isEmpty)
    try await withThrowingTaskGroup(of: Bool.self) { group in
      for number in 0..<50 { group.addTask { try await ask("\(number)") == "\(number)" } }
      for try await same in group { #expect(same) }
    }
    listener.close()
    // The body of `idle` is cancelled.
    #expect(await server.value == "closed")
    #expect(try await idle.read(upTo: 1).isEmpty)
  }

  @Test("Never more than the limit at once")
  func limit() async throws {
    let (inside, most) = (Counter(), Counter())
    let listener = try engine.listen(on: .loopback(port: 0))
    let server = Task {
      await failure {
        try await listener.serve(limit: 3) { stream in
          let now = inside.add()
          if now > most.value { most.add(now - most.value) }
          _ = try await stream.read(upTo: 1)
          inside.add(-1)
        }
      }
    }
    var clients: [ByteStream] = []
    for _ in 0..<10 { clients.append(try await engine.connect(to: listener.address)) }
    #expect(await eventually { inside.value == 3 })
    for client in clients { try await client.write("x") }
    for client in clients { #expect(try await client.read(upTo: 1).isEmpty) }
    #expect(most.value == 3)
    server.cancel()
    #expect(await server.value == "cancelled")
  }

  @Test("A stop ends it")
  func shutdown() async throws {
    let (engine, listener) = (engine, try engine.listen(on: .loopback(port: 0)))
    let begun = Counter()
    let server = Task {
      await failure {
        try await listener.serve { stream in
          begun.add()
          _ = try await stream.read(upTo: 1)
        }
      }
    }
    let client = try await engine.connect(to: listener.address)
    #expect(await eventually { begun.value == 1 })
    try await engine.shutdown()
    #expect(await server.value == "shutdown")
    _ = client
  }
}
