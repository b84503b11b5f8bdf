import CTestSupport
import Outboard
import Testing

@Suite("In a forked child", .enabled(if: test_thread_sanitizer() == 0), .timeLimit(.minutes(1)))
struct ForkTests {
  /// Runs a check in a child process. Only blocking calls: the child has no threads but its own.
  private func inChild(_ check: @escaping @Sendable () -> Bool) async throws -> Int32 {
    final class Box: Sendable {
      let check: @Sendable () -> Bool

      init(_ check: @escaping @Sendable () -> Bool) { self.check = check }
    }
    return try await HostThread.run {
      let box = Box(check)
      return withExtendedLifetime(box) {
        unsafe test_in_child(
          { box in
            guard let box = unsafe box else { return 2 }
            return unsafe Unmanaged<Box>.fromOpaque(box).takeUnretainedValue().check() ? 0 : 1
          }, Unmanaged.passUnretained(box).toOpaque())
      }
    }
  }

  @Test("By default every call fails, and dropping the engine is safe")
  func fails() async throws {
    let engine = try Engine()
    try await engine.call {}
    let code = try await inChild {
      let kinds = [
        errorKind { () throws(EngineError) in try engine.callAndWait {} },
        errorKind { () throws(EngineError) in try engine.callAndWait(deadline: .seconds(1)) {} },
        errorKind { () throws(EngineError) in try engine.callAndWait { () async in } },
        errorKind { () throws(EngineError) in try engine.post {} },
        errorKind { () throws(EngineError) in try engine.statistics() },
        errorKind { () throws(EngineError) in try engine.shutdownAndWait() },
      ]
      return kinds == Array(repeating: "forked", count: 6)
    }
    #expect(code == 0)
    #expect(try await engine.call { 1 } == 1)
  }

  @Test("With the restart policy the child's first call starts a fresh loop")
  func restarts() async throws {
    var configuration = Engine.Configuration()
    configuration.forkPolicy = .restart
    let engine = try Engine(configuration)
    try await engine.call {}
    let code = try await inChild {
      do {
        let sum = try engine.callAndWait { 1 } + engine.callAndWait(deadline: .seconds(5)) { 2 }
        return try sum == 3 && engine.callAndWait { engine.isOnLoop }
      } catch {
        return false
      }
    }
    #expect(code == 0)
    #expect(try await engine.call { 1 } == 1)
  }

  @Test("The shared engine is a fresh one")
  func shared() async throws {
    let parent = try Engine.shared()
    let code = try await inChild {
      guard let child = try? Engine.shared() else { return false }
      return child !== parent && (try? child.callAndWait { 5 }) == 5
    }
    #expect(code == 0)
  }
}
