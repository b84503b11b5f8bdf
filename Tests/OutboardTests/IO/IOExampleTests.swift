import Glibc
import Outboard
import Testing

/// The examples of the documentation, as they stand there.
@Suite("Examples: I/O on the loop", .timeLimit(.minutes(1)))
struct IOExampleTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  /// A library in C with a socket of its own.
  private func libraryReceive(_ socket: Int32) -> String? {
    var byte: UInt8 = 0
    let count = unsafe recv(socket, &byte, 1, Int32(MSG_DONTWAIT))
    return count == 1 ? String(UnicodeScalar(byte)) : nil
  }

  @Test("Readiness")
  func readiness() async throws {
    let pair = SocketPair()
    let (engine, socket) = (engine, pair.ours)
    pair.say("!")

    let answer = try await engine.call {
      while true {
        if let answer = libraryReceive(socket) { return answer }
        try await engine.readable(socket, deadline: .seconds(5))
      }
    }

    #expect(answer == "!")
  }

  @Test("Periodic work")
  func periodic() async throws {
    let beats = Counter()

    let heartbeat = try engine.every(.milliseconds(10)) { tick in
      beats.add(1 + tick.missed)  // on the loop's thread
    }
    for try await tick in try engine.ticks(every: .milliseconds(5)) where tick.number >= 3 {
      break
    }
    heartbeat.cancel()

    try? await heartbeat.end()
  }

  @Test("A command")
  func command() async throws {
    let sorted = try await engine.run(
      Command("sort", ["-n"]), input: Array("10\n9\n".utf8),
      outputLimit: 65_536, deadline: .seconds(10))
    #expect(sorted.text == "9\n10\n" && sorted.end.isSuccess)
  }

  @Test("A child to talk with")
  func child() async throws {
    var command = Command("cat")
    command.ownProcessGroup = true
    let child = try await engine.spawn(command, input: .pipe, output: .pipe)
    try await child.standardInput?.write("hello")
    let echo = try await child.standardOutput?.read(upTo: 100)
    child.terminate()  // TERM, and KILL after command.grace
    let end = try await child.end()
    #expect(echo == Array("hello".utf8) && end == .signalled(SIGTERM))
  }

  @Test("A server and its client")
  func server() async throws {
    let engine = engine
    let listener = try engine.listen(on: .loopback(port: 0))
    let server = Task {
      try await listener.serve(limit: 100) { stream in
        while case let bytes = try await stream.read(upTo: 4096), !bytes.isEmpty {
          try await stream.write(bytes)  // waits as long as the peer does not read
        }
      }
    }

    let stream = try await engine.connect(to: listener.address, deadline: .seconds(5))
    try await stream.write("hello")
    try stream.finishWriting()
    let echo = try await stream.readToEnd(limit: 1024, deadline: .seconds(5))
    listener.close()

    #expect(echo == Array("hello".utf8))
    #expect(await failure { try await server.value } == "closed")
  }

  @Test("Into memory of one's own")
  func ownMemory() async throws {
    let listener = try engine.listen(on: .loopback(port: 0))
    let stream = try await engine.connect(to: listener.address)
    let peer = try await listener.accept()
    try await peer.write("hello")

    var buffer = [UInt8](repeating: 0, count: 65_536)
    var span = buffer.mutableSpan
    let count = try await stream.read(into: &span)
    try await peer.write(buffer.span.extracting(..<count))

    #expect(count == 5)
  }

  @Test("Names")
  func names() async throws {
    let addresses = try await engine.resolve("localhost", port: 80, deadline: .seconds(10))
    #expect(!addresses.isEmpty)
  }

  @Test("Files")
  func files() async throws {
    let place = SocketPath("notes")
    let path = place.path

    try await engine.writeFile(path, Array("hello".utf8))  // all of it or nothing
    let bytes = try await engine.readFile(path, limit: 1 << 20)
    let file = try await engine.openFile(path, .readWrite)
    try await file.write(Array("J".utf8), at: 0)
    let first = try await file.read(5, at: 0)

    #expect(bytes == Array("hello".utf8) && first == Array("Jello".utf8))
  }
}
