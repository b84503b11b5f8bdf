import CTestSupport
import Outboard

/// Forks with nothing but engines' threads around, as a child of a process with other threads may
/// find the Swift runtime's locks held. `ForkProbe CASE` leaves with 0 when the child behaved. Other
/// cases are here as they need a process of their own.
@main struct ForkProbe {
  static func main() throws {
    let code =
      switch CommandLine.arguments.last {
      case "fail": try fail()
      case "restart": try restart()
      case "shared": try shared()
      case "spawns": try SpawnProbe.spawns()
      case "ignored": try SpawnProbe.ignored()
      case "streams": try StreamProbe.inherited()
      case "scarce": try DescriptorProbe.scarce()
      default: Int32(64)
      }
    test_leave(code)
  }

  /// By default every call fails, and the engine can be dropped.
  private static func fail() throws -> Int32 {
    var engine: Engine? = try Engine()
    let code = inChild {
      let kinds = try [
        kind { () throws(EngineError) in try engine?.callAndWait {} },
        kind { () throws(EngineError) in try engine?.callAndWait(deadline: .seconds(1)) {} },
        kind { () throws(EngineError) in try engine?.callAndWait { () async in } },
        kind { () throws(EngineError) in try engine?.offloadAndWait {} },
        kind { () throws(EngineError) in try engine?.post {} },
        kind { () throws(EngineError) in _ = try engine?.submit {} },
        kind { () throws(EngineError) in _ = try engine?.statistics() },
        kind { () throws(EngineError) in try engine?.shutdownAndWait() },
      ]
      engine = nil
      return kinds == Array(repeating: "forked", count: kinds.count)
    }
    return try engine?.callAndWait { code } ?? 1
  }

  /// With the restart policy the child's first call starts a fresh loop, which serves all kinds.
  private static func restart() throws -> Int32 {
    var configuration = Engine.Configuration()
    configuration.forkPolicy = .restart
    let engine = try Engine(configuration)
    let code = inChild {
      var sum = try engine.callAndWait { 1 }
      sum += try engine.callAndWait(deadline: .seconds(5)) { 2 }
      sum += try engine.offloadAndWait { 4 }
      sum += try engine.callAndWait(deadline: .seconds(5)) {
        await Task.yield()
        try await engine.sleep(for: .milliseconds(1))
        return 8
      }
      return try sum == 15 && engine.callAndWait { engine.isOnLoop }
    }
    return try engine.callAndWait { code }
  }

  /// The shared engine of a child is a fresh one.
  private static func shared() throws -> Int32 {
    let parent = try Engine.shared()
    let code = inChild {
      let child = try Engine.shared()
      return try child !== parent && child === Engine.shared() && child.callAndWait { 5 } == 5
    }
    return try parent.callAndWait { code }
  }

  /// Runs a check in a child. 0 when it holds.
  static func inChild(_ check: () throws -> Bool) -> Int32 {
    let child = test_fork()
    guard child != 0 else {
      let holds = (try? check()) ?? false
      test_leave(holds ? 0 : 1)
    }
    return test_wait_child(child)
  }

  private static func kind(_ body: () throws(EngineError) -> Void?) throws -> String {
    do {
      _ = try body()
      return "none"
    } catch {
      if case .forked = error { return "forked" }
      return error.description
    }
  }
}
