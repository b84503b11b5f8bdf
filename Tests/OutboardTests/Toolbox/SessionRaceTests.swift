import CTestSupport
import Testing

@testable import Outboard

/// A client as many libraries have it: one call at a time, and not before it is connected. It does
/// not protect itself, but counts what goes wrong.
private final class SharedClient: Sendable {
  let inside = Counter()
  let connected = Counter()
  let wrong = Counter()

  /// Something that takes two turns of the loop; nothing else may happen meanwhile.
  private func alone(_ connections: Int, then change: Int) async {
    if inside.add() != 1 || connected.value != connections { wrong.add() }
    await Task.yield()
    if inside.value != 1 { wrong.add() }
    connected.add(change)
    inside.add(-1)
  }

  func connect() async { await alone(0, then: 1) }
  func call() async { await alone(1, then: 0) }
  func disconnect() async { await alone(1, then: -1) }
}

private struct SharedSource: SessionSource {
  let client: SharedClient

  func connect() async throws -> SharedClient {
    await client.connect()
    return client
  }

  func disconnect(_ session: SharedClient) async throws { await session.disconnect() }

  func fate(after error: any Error) -> SessionFate {
    switch error as? Fault {
    case Fault(code: 0): .discard
    case Fault(code: 1): .reconnect
    default: .keep
    }
  }
}

/// Connections to a line server, used by pool threads.
private struct LineSource: SessionSource {
  let engine: Engine
  let port: UInt16
  let open = Counter()
  let most = Recorder<Int>()

  func connect() async throws -> LineClient {
    most.add(open.add())
    return try await engine.offload { try LineClient(port: port) }
  }

  func disconnect(_ session: LineClient) async throws {
    session.close()
    open.add(-1)
  }

  func fate(after error: any Error) -> SessionFate {
    error as? Fault == Fault(code: -1) ? .reconnect : .standard(after: error)
  }
}

@Suite("Sessions under threads", .timeLimit(.minutes(1)))
struct SessionRaceTests {
  private static let threads = 8
  private static let calls = 50

  /// Calls of many threads on one client, multiplexed onto one loop.
  private func interleavings(_ call: @escaping @Sendable (SharedClient, Int) async throws -> Void)
    async throws -> Int
  {
    let (engine, client) = (try Engine(), SharedClient())
    try await engine.holdUntilQueued(Self.threads)
    try await HostThread.run {
      HostThread.race(Self.threads) { thread in
        for number in 0..<Self.calls {
          try? engine.callAndWait { try await call(client, thread + number) }
        }
      }
    }
    return client.wrong.value
  }

  @Test("Without a pool, calls on a shared client interleave: the detector sees it")
  func without() async throws {
    let wrong = try await interleavings { client, _ in
      await client.connect()
      await client.call()
      await client.disconnect()
    }
    #expect(wrong > 0)
  }

  @Test("With the pool, connect, call and disconnect never interleave, whatever the calls end with")
  func with() async throws {
    let engine = try Engine()
    let pools = Recorder<SessionPool<SharedSource>>()
    let making = Monitor()
    let wrong = try await interleavings { client, number in
      let pool = try making.locked {
        if pools.count == 0 {
          pools.add(
            try SessionPool(
              on: engine, SharedSource(client: client), SessionPoolOptions(limit: 1)))
        }
        return pools.all[0]
      }
      try await pool.withSession { client in
        await client.call()
        if number % 5 < 3 { throw Fault(code: number % 5) }
      }
    }
    #expect(wrong == 0)
    try await pools.all[0].shutdown()
  }

  @Test("A real server that detects interleaving, and hangs up now and then")
  func server() async throws {
    let (engine, interleaved, hungUp) = (try Engine(), Counter(), Counter())
    let server = LoopbackServer { connection, number in
      var open: Substring?
      for request in 0... {
        guard let line = readLine(from: connection) else { return }
        if request == 20 + number % 3, open == nil {
          hungUp.add()
          return
        }
        let words = line.split(separator: " ")
        if words[0] == "begin" {
          if open != nil { interleaved.add() }
          open = words[1]
        } else {
          if open != words[1] { interleaved.add() }
          open = nil
        }
        try? sendLine(line, to: connection)
      }
    }
    let source = LineSource(engine: engine, port: server.port)
    let pool = try SessionPool(on: engine, source, SessionPoolOptions(limit: 2))
    let answers = Counter()
    try await HostThread.run {
      HostThread.race(Self.threads) { thread in
        for number in 0..<20 {
          let id = "\(thread).\(number)"
          let answer = try? engine.callAndWait(deadline: .seconds(50)) {
            try await pool.withSession { client in
              _ = try await engine.offload { try client.ask("begin \(id)") }
              return try await engine.offload { try client.ask("end \(id)") }
            }
          }
          if answer == "end \(id)" { answers.add() }
        }
      }
    }
    #expect(answers.value == Self.threads * 20)
    #expect(interleaved.value == 0)
    #expect(hungUp.value > 0, "sessions have died")
    #expect((source.most.all.max() ?? 0) <= 2)
    try await pool.shutdown()
    #expect(source.open.value == 0)
    server.stop()
  }
}
