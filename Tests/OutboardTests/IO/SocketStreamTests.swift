import Glibc
import Outboard
import Testing

@Suite("TCP and Unix-domain streams", .timeLimit(.minutes(1)))
struct SocketStreamTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  /// Two connected streams and their listener.
  private func pair(
    _ address: SocketAddress = .loopback(port: 0)
  ) async throws -> (ByteStream, ByteStream, Listener) {
    let listener = try engine.listen(on: address)
    async let accepted = listener.accept()
    let client = try await engine.connect(to: listener.address)
    return (client, try await accepted, listener)
  }

  @Test("Bytes both ways, half close, the end; on the loop's thread for a task of the loop's")
  func bothWays() async throws {
    let (client, server, listener) = try await pair()
    #expect(try client.peerAddress() == listener.address)
    #expect(try client.localAddress() == server.peerAddress())
    try await engine.call {
      let loop = threadID
      try await client.write("question")
      try client.finishWriting()
      #expect(try await server.readToEnd(limit: 100) == Array("question".utf8))
      try await server.write("answer")
      server.close()
      #expect(try await client.readToEnd(limit: 100) == Array("answer".utf8))
      #expect(try await client.read(upTo: 1).isEmpty)
      #expect(threadID == loop)
    }
  }

  @Test("Straight into the caller's memory, from a span")
  func spans() async throws {
    let (client, server, _) = try await pair()
    let bytes: [UInt8] = [1, 2, 3, 4, 5]
    try await client.write(bytes.span.extracting(1..<4))
    var room = [UInt8](repeating: 0, count: 8)
    var span = room.mutableSpan
    #expect(try await server.read(into: &span) == 3)
    #expect(room == [2, 3, 4, 0, 0, 0, 0, 0])
    try await client.write([])
    try await client.write("")
  }

  @Test("Two requests at once: the server answers nobody before it has heard from both")
  func together() async throws {
    let (engine, server) = (engine, LineServer(clients: 2))
    @Sendable func ask(_ text: String) async throws -> String {
      let stream = try await engine.connect(to: .loopback(port: server.port))
      try await stream.write("\(text)\n")
      return String(decoding: try await stream.readToEnd(limit: 100), as: UTF8.self)
    }
    let answers = try await engine.call(deadline: .seconds(30)) {
      async let one = ask("one")
      async let two = ask("two")
      return try await [one, two]
    }
    #expect(answers == ["answer to one\n", "answer to two\n"])
    server.join()
  }

  @Test(
    "A peer that does not read holds the writer back; when it reads, all comes",
    arguments: [
      false, true,
    ])
  func backPressure(unix: Bool) async throws {
    let path = SocketPath("s")
    let address = unix ? try SocketAddress(unixPath: path.path) : .loopback(port: 0)
    let (client, server, _) = try await pair(address)
    // More than the system holds for a connection.
    let block = (0..<64_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
    var all: [UInt8] = []
    for _ in 0..<500 { all += block }
    let much = all
    let (begun, written) = (Counter(), Counter())
    let writer = Task {
      begun.add()
      try await client.write(much)
      written.add()
    }
    #expect(await eventually { begun.value == 1 })
    var capture: [UInt8] = []
    capture.reserveCapacity(much.count)
    while capture.count < much.count {
      capture += try await server.read(upTo: 1_000_000)
      if capture.count < 4_000_000 {
        #expect(written.value == 0)
        #expect(await failure { try await client.write("x") } == "busy")
      }
    }
    try await writer.value
    let same = unsafe capture.count == much.count && memcmp(capture, much, much.count) == 0
    #expect(same)
  }

  @Test("A deadline ends a read and a write that wait; nothing is lost")
  func deadlines() async throws {
    let (client, server, _) = try await pair()
    #expect(
      await failure { try await server.read(upTo: 1, deadline: .milliseconds(10)) } == "timedOut")
    #expect(
      await failure { try await server.read(upTo: 1, deadline: .after(.zero)) } == "timedOut")
    let much = [UInt8](repeating: 1, count: 50_000_000)
    #expect(
      await failure { try await client.write(much, deadline: .milliseconds(50)) } == "timedOut")
    #expect(try await server.read(upTo: 1) == [1])
  }

  @Test("Cancellation ends a read, an accept and a connect that wait")
  func cancelled() async throws {
    let (client, server, listener) = try await pair()
    let begun = Counter()
    let tasks = [
      Task {
        begun.add()
        return await failure { try await server.read(upTo: 1) }
      },
      Task {
        begun.add()
        return await failure { try await listener.accept() }
      },
    ]
    #expect(await eventually { begun.value == 2 })
    for task in tasks { task.cancel() }
    for task in tasks { #expect(await task.value == "cancelled") }
    try await client.write("x")
    #expect(try await server.read(upTo: 1) == [UInt8(ascii: "x")])
    let late = Task {
      while !Task.isCancelled { await Task.yield() }
      return await failure { try await engine.connect(to: listener.address) }
    }
    late.cancel()
    #expect(await late.value == "cancelled")
  }

  @Test("Closing ends who waits, and everything after it; twice is fine")
  func closed() async throws {
    let (client, server, listener) = try await pair()
    let waits = [
      Task { await failure { try await server.read(upTo: 1) } },
      Task { await failure { try await listener.accept() } },
    ]
    try await engine.sleep(for: .milliseconds(5))
    server.close()
    server.close()
    listener.close()
    listener.close()
    for wait in waits { #expect(await wait.value == "closed") }
    #expect(await failure { try await server.read(upTo: 1) } == "closed")
    #expect(await failure { try await server.write("x") } == "closed")
    #expect(await failure { try server.finishWriting() } == "closed")
    #expect(await failure { try server.localAddress() } == "closed")
    #expect(await failure { try await listener.accept() } == "closed")
    #expect(try await client.read(upTo: 1).isEmpty)
  }

  @Test("A stream that is let go is closed: its peer reads the end")
  func letGo() async throws {
    let (client, server, _) = try await pair()
    var held: ByteStream? = server
    #expect(held != nil)
    _ = consume server
    held = nil
    #expect(try await client.read(upTo: 1).isEmpty)
  }

  @Test("A peer that has gone is an error, never SIGPIPE")
  func gone() async throws {
    let (client, server, _) = try await pair()
    server.close()
    do {
      while true { try await client.write([UInt8](repeating: 0, count: 100_000)) }
    } catch {
      guard case EngineError.io(let reason) = error else { throw error }
      #expect([EPIPE, ECONNRESET].contains(reason.code))
    }
  }

  @Test("One reader and one writer at a time")
  func oneEach() async throws {
    let (client, server, listener) = try await pair()
    let engine = engine
    try await engine.call {
      async let first = server.read(upTo: 1)
      async let accepting = listener.accept()
      await Task.yield()
      #expect(await failure { try await server.read(upTo: 1) } == "busy")
      #expect(await failure { try await listener.accept() } == "busy")
      #expect(await failure { try await listener.serve { _ in } } == "busy")
      try await client.write("x")
      #expect(try await first.count == 1)
      listener.close()
      _ = try? await accepting
    }
  }

  @Test("Refused, no such path, a path in use, misuse")
  func misuse() async throws {
    let listener = try engine.listen(on: .loopback(port: 0))
    #expect(await failure { try engine.listen(on: listener.address) } == "io")
    let address = listener.address
    listener.close()
    try await engine.call {}  // it is closed by now
    do {
      _ = try await engine.connect(to: address)
      Issue.record("connected")
    } catch {
      guard case .io(let reason) = error else { throw error }
      #expect(reason.code == ECONNREFUSED)
      #expect(reason.description.hasPrefix("connect to 127.0.0.1:"))
    }
    #expect(
      await failure { try await engine.connect(to: address, deadline: .after(.zero)) }
        == "timedOut")
    #expect(await failure { try engine.listen(on: address, backlog: 0) } == "invalidArgument")
    let unbound = try SocketAddress(unixPath: "/nowhere/at-all")
    #expect(await failure { try await engine.connect(to: unbound) } == "io")
    #expect(await failure { try engine.listen(on: unbound) } == "io")
    let (client, _, _) = try await pair()
    #expect(await failure { try await client.read(upTo: 0) } == "invalidArgument")
    #expect(await failure { try await client.readToEnd(limit: -1) } == "invalidArgument")
    var nothing: [UInt8] = []
    var span = nothing.mutableSpan
    let kind: String
    do {
      _ = try await client.read(into: &span)
      kind = "none"
    } catch { kind = error.kind }
    #expect(kind == "invalidArgument")
    #expect(await failure { try await listener.serve(limit: 0) { _ in } } == "invalidArgument")
  }

  @Test("Addresses: what is none, what is too long, and their texts")
  func addresses() async throws {
    for text in ["", "localhost", "1.2.3", "1.2.3.4\0", "::g"] {
      #expect(await failure { try SocketAddress(ip: text, port: 1) } == "invalidArgument")
    }
    #expect(try SocketAddress(ip: "127.0.0.1", port: 80) == .loopback(port: 80))
    #expect(try SocketAddress(ip: "::1", port: 80).description == "[::1]:80")
    #expect(SocketAddress.loopback(port: 9).description == "127.0.0.1:9")
    let long = "/tmp/" + String(repeating: "x", count: 103)
    do {
      _ = try SocketAddress(unixPath: long)
      Issue.record("taken")
    } catch {
      #expect(error.description.contains("has 108 bytes") && error.description.contains("107"))
    }
    #expect(try SocketAddress(unixPath: String(long.dropLast())).port == nil)
    #expect(await failure { try SocketAddress(unixPath: "") } == "invalidArgument")
    #expect(await failure { try SocketAddress(unixPath: "a\0b") } == "invalidArgument")
  }

  @Test("A Unix-domain socket: its path goes with it, but not one that has taken its place")
  func unixPath() async throws {
    let path = SocketPath("s")
    let address = try SocketAddress(unixPath: path.path)
    let first = try engine.listen(on: address)
    #expect(first.address == address)
    #expect(await failure { try engine.listen(on: address) } == "io")
    first.close()
    let second = try engine.listen(on: address)
    first.close()
    let client = try await engine.connect(to: address)
    #expect(try client.peerAddress() == address)
    #expect(try client.localAddress().description == "an unnamed socket")
    second.close()
    #expect(unsafe access(path.path, F_OK) != 0)
  }

  @Test("A Unix-domain listener whose queue is full keeps its clients waiting")
  func fullBacklog() async throws {
    let (engine, path) = (engine, SocketPath("s"))
    let listener = try engine.listen(on: SocketAddress(unixPath: path.path), backlog: 1)
    var clients: [ByteStream] = []
    var kind = "none"
    while kind == "none" && clients.count < 100 {
      kind = await failure {
        clients.append(
          try await engine.connect(to: listener.address, deadline: .milliseconds(20)))
      }
    }
    #expect(kind == "timedOut" && !clients.isEmpty)
    async let late = engine.connect(to: listener.address)
    var accepted: [ByteStream] = []
    for _ in 0...clients.count { accepted.append(try await listener.accept()) }
    _ = try await late
  }

  @Test(
    "A stop ends reads, writes and accepts that wait, and refuses new ones",
    arguments: [
      Engine.StopMode.cancel, .drain,
    ])
  func shutdown(mode: Engine.StopMode) async throws {
    let (client, server, listener) = try await pair()
    let begun = Counter()
    let much = [UInt8](repeating: 1, count: 50_000_000)
    let bodies: [@Sendable () async throws -> Void] = [
      { _ = try await client.read(upTo: 1) },
      { try await client.write(much) },
      { _ = try await listener.accept() },
    ]
    let waits = bodies.map { body in
      Task {
        begun.add()
        return await failure { try await body() }
      }
    }
    #expect(await eventually { begun.value == 3 })
    try await engine.shutdown(mode: mode)
    for wait in waits { #expect(await wait.value == "shutdown") }
    #expect(await failure { try await server.read(upTo: 1) } == "shutdown")
    #expect(await failure { try await engine.connect(to: listener.address) } == "shutdown")
    #expect(await failure { try engine.listen(on: .loopback(port: 0)) } == "shutdown")
    client.close()
    listener.close()
  }

  @Test("Closing while others begin to read, write and accept: all of them end")
  func closingStorm() async throws {
    for round in 0..<200 {
      let (client, server, listener) = try await pair()
      let waits = [
        Task { await failure { while true { _ = try await server.read(upTo: 1) } } },
        Task { await failure { while true { _ = try await listener.accept() } } },
        Task { await failure { while true { try await server.write([1, 2, 3]) } } },
      ]
      if round % 2 == 0 { await Task.yield() }
      server.close()
      listener.close()
      for wait in waits { #expect(await wait.value == "closed") }
      _ = client
    }
  }

  @Test("A stream that always has something lets others on the loop have their turn")
  func fairness() async throws {
    let (client, server, _) = try await pair()
    try await client.write([UInt8](repeating: 1, count: 5000))
    let (engine, turns) = (engine, Counter())
    try await engine.call {
      async let other: Void = {
        while turns.value < 20 {
          turns.add()
          await Task.yield()
        }
      }()
      for _ in 0..<5000 { _ = try await server.read(upTo: 1) }
      #expect(turns.value == 20)
      await other
    }
  }
}
