import Glibc
import Outboard

/// What a forked child may do with the streams of its parent.
enum StreamProbe {
  /// The child's own loop refuses them; letting them go there leaves the parent's as they are.
  static func inherited() throws -> Int32 {
    var configuration = Engine.Configuration()
    configuration.forkPolicy = .restart
    let engine = try Engine(configuration)
    let (listener, client, server) = try engine.callAndWait {
      let listener = try engine.listen(on: .loopback(port: 0))
      async let accepted = listener.accept()
      let client = try await engine.connect(to: listener.address)
      return (listener, client, try await accepted)
    }
    let waiting = try engine.submit { try await client.read(upTo: 10) }
    try settle(engine)
    let code = ForkProbe.inChild {
      let kinds = try engine.callAndWait {
        [
          await kind { try await client.read(upTo: 1) },
          await kind { try await server.write("x") },
          await kind { try await listener.accept() },
        ]
      }
      client.close()
      server.close()
      listener.close()
      // Its own loop can do it all.
      let text = try engine.callAndWait { try await engine.run(Command("echo", ["child"])).text }
      return kinds == ["forked", "forked", "forked"] && text == "child\n"
    }
    try engine.callAndWait { try await server.write("parent") }
    return try waiting.wait() == Array("parent".utf8) ? code : 2
  }

  /// Until the loop waits for the read: a thread of the runtime's that is looking up a type just then
  /// would leave its lock held in the child.
  private static func settle(_ engine: Engine) throws {
    var seen = try engine.statistics().sleeps, last: UInt64
    repeat {
      usleep(50_000)
      last = seen
      seen = try engine.statistics().sleeps
    } while seen != last
  }

  private static func kind<R>(_ body: () async throws -> R) async -> String {
    do {
      _ = try await body()
      return "none"
    } catch {
      if case EngineError.forked = error { return "forked" }
      return "\(error)"
    }
  }
}
