import CTestSupport
import Outboard
import Testing

@Suite("Starting an engine", .timeLimit(.minutes(1)))
struct StartTests {
  @Test("The defaults are those of the C API")
  func defaults() throws {
    let configuration = Engine.Configuration()
    let nanoseconds = { (duration: Duration) in Int64(duration / .nanoseconds(1)) }
    let swift: [Int64] = [
      Int64(configuration.stackSize), Int64(configuration.queueLimit),
      Int64(configuration.batchLimit), nanoseconds(configuration.spinBudget), 0,
      Int64(configuration.offload.threads), Int64(configuration.offload.hardLimit),
      Int64(configuration.offload.queueLimit), nanoseconds(configuration.offload.idleTimeout),
      nanoseconds(configuration.startTimeout),
    ]
    #expect(swift == (0..<swift.count).map { test_engine_default(Int32($0)) })
    #expect(configuration.forkPolicy == .fail)
    #expect(unsafe configuration.name == String(cString: test_engine_default_name()))
  }

  @Test("The loop thread has the configured name and is not the caller's")
  func threadName() throws {
    var configuration = Engine.Configuration()
    configuration.name = "ob-test-name"
    let engine = try Engine(configuration)
    #expect(threadCount("ob-test-name") == 1)
    let caller = threadID
    #expect(try engine.callAndWait { threadID } != caller)
    try engine.shutdownAndWait()
    // A joined thread may still be listed for a moment.
    #expect(eventuallyBlocking { threadCount("ob-test-name") == 0 })
  }

  @Test("An option out of range is named")
  func badOption() throws {
    var configuration = Engine.Configuration()
    configuration.name = "a name that is much too long for a thread"
    let error = #expect(throws: EngineError.self) { try Engine(configuration) }
    guard case .invalidArgument(let detail) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(detail.contains("name"))
    configuration.name = "ok"
    configuration.queueLimit = 0
    #expect(errorKind { () throws(EngineError) in try Engine(configuration) } == "invalidArgument")
  }

  @Test("The start hook runs on the loop and may use the engine and await")
  func hook() throws {
    let seen = Recorder<Int64>()
    let engine = try Engine { engine in
      seen.add(threadID)
      try await Task.sleep(for: .milliseconds(2))
      seen.add(threadID)
      seen.add(try await engine.call { threadID })
      #expect(Engine.current === engine)
    }
    let loop = try engine.callAndWait { threadID }
    #expect(seen.all == [loop, loop, loop])
  }

  @Test("The start hook's error reaches the thrower and the thread is gone")
  func hookFails() throws {
    var configuration = Engine.Configuration()
    configuration.name = "ob-hook-fails"
    do {
      _ = try Engine(configuration) { _ in
        await Task.yield()
        throw Fault(code: 7)
      }
      Issue.record("started")
    } catch {
      guard case .startFailed(let cause) = error else { throw error }
      #expect(cause as? Fault == Fault(code: 7))
      #expect(error.description.contains("code: 7"))
    }
    #expect(eventuallyBlocking { threadCount("ob-hook-fails") == 0 })
  }

  @Test("A start hook that takes too long ends the start")
  func hookTooLong() throws {
    var configuration = Engine.Configuration()
    configuration.name = "ob-hook-slow"
    configuration.startTimeout = .milliseconds(20)
    let kind = errorKind { () throws(EngineError) in
      try Engine(configuration) { engine in try await engine.sleep(for: .seconds(60)) }
    }
    #expect(kind == "timedOut")
    #expect(eventuallyBlocking { threadCount("ob-hook-slow") == 0 })
  }

  @Test("The awaited start does the same")
  func awaited() async throws {
    let engine = try await Engine.start { engine in #expect(engine.isOnLoop) }
    #expect(try await engine.call { 3 } == 3)
    await #expect(throws: EngineError.self) {
      try await Engine.start { _ in throw Fault() }
    }
    try await engine.shutdown()
  }

  @Test("Threads that race for the shared engine get the same one")
  func shared() throws {
    let seen = Recorder<ObjectIdentifier>()
    HostThread.race(32) { _ in
      do { seen.add(ObjectIdentifier(try Engine.shared())) } catch { Issue.record(error) }
    }
    #expect(seen.count == 32)
    #expect(Set(seen.all).count == 1)
    #expect(try Engine.shared().callAndWait { 5 } == 5)
  }

  @Test("Statistics count what was done")
  func statistics() throws {
    let engine = try Engine()
    let before = try engine.statistics()
    for _ in 0..<10 { try engine.callAndWait {} }
    let after = try engine.statistics()
    #expect(after.submitted - before.submitted == 10)
    #expect(eventuallyBlocking { (try? engine.statistics().inFlight) == 0 })
    #expect(after.refused == 0)
    #expect(after.busy > .zero)
  }
}
