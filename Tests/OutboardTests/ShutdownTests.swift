import CTestSupport
import Outboard
import Testing

@Suite("Shutting down", .timeLimit(.minutes(1)))
struct ShutdownTests {
  @Test("After a shutdown everything is refused, and shutting down again is fine")
  func refused() async throws {
    let engine = try Engine()
    try await engine.shutdown()
    try await engine.shutdown()
    try await HostThread.run { try engine.shutdownAndWait() }
    let ran = Counter()
    let kinds = [
      await errorKind { () async throws(EngineError) in try await engine.call { ran.add() } },
      await errorKind { () async throws(EngineError) in
        try await engine.call { () async in ran.add() }
      },
      await errorKind { () async throws(EngineError) in try await engine.offload { ran.add() } },
      await errorKind { () async throws(EngineError) in try await engine.sleep(for: .seconds(60)) },
      errorKind { () throws(EngineError) in try engine.submit { ran.add() } },
      errorKind { () throws(EngineError) in try engine.post { ran.add() } },
      try await HostThread.run {
        errorKind { () throws(EngineError) in try engine.callAndWait { ran.add() } }
      },
      try await HostThread.run {
        errorKind { () throws(EngineError) in
          try engine.callAndWait(deadline: .seconds(5)) { ran.add() }
        }
      },
      try await HostThread.run {
        errorKind { () throws(EngineError) in try engine.callAndWait { () async in ran.add() } }
      },
    ]
    #expect(kinds == Array(repeating: "shutdown", count: kinds.count))
    #expect(ran.value == 0)
  }

  @Test("Its threads are gone")
  func threads() async throws {
    var configuration = Engine.Configuration()
    configuration.name = "ob-stop-test"
    let engine = try Engine(configuration)
    _ = try await engine.offload { 1 }
    #expect(threadCount("ob-stop-test") >= 1)
    try await engine.shutdown()
    // Pool threads are detached: one may be on its last instructions.
    #expect(await eventually { threadCount("ob-stop-test") == 0 })
  }

  @Test("A cancelling stop cancels tasks that sleep and awaits their end")
  func cancelsSleepers() async throws {
    let engine = try Engine()
    let (started, ended) = (Counter(), Counter())
    let calls = (0..<20).map { number in
      Task {
        await errorKind { () async throws(EngineError) in
          try await engine.call {
            started.add()
            defer { ended.add() }
            if number % 2 == 0 {
              try await Task.sleep(for: .seconds(600))
            } else {
              try await engine.sleep(for: .seconds(600))
            }
          }
        }
      }
    }
    #expect(await eventually { started.value == 20 })
    try await engine.shutdown(mode: .cancel)
    #expect(ended.value == 20)
    for call in calls { #expect(await call.value == "cancelled") }
  }

  @Test("A draining stop lets what was accepted get to its end")
  func drains() async throws {
    let engine = try Engine()
    let (started, ended) = (Counter(), Counter())
    let calls = (0..<20).map { number in
      Task {
        try await engine.call {
          started.add()
          try await Task.sleep(for: .milliseconds(20))
          ended.add()
          return number
        }
      }
    }
    #expect(await eventually { started.value == 20 })
    try await engine.shutdown(mode: .drain)
    #expect(ended.value == 20)
    var sum = 0
    for call in calls { sum += try await call.value }
    #expect(sum == 190)
  }

  @Test("Past its deadline a stop says what still runs, and can be waited for again")
  func namesWhatRuns() async throws {
    let engine = try Engine()
    let (gate, held) = (Gate(), Counter())
    let call = Task {
      try await engine.offload(name: "the stubborn one") {
        held.add()
        gate.pass()
      }
    }
    #expect(await eventually { held.value == 1 })
    do {
      try await engine.shutdown(deadline: .milliseconds(20))
      Issue.record("stopped")
    } catch {
      guard case .timedOut(let detail?) = error else { throw error }
      #expect(detail.contains("the stubborn one"), "\(detail)")
      #expect(error.description.contains("the stubborn one"))
    }
    gate.open()
    try await engine.shutdown()
    _ = await call.result
  }

  @Test("On the loop a stop begins and is not waited for", arguments: [false, true])
  func onLoop(asynchronous: Bool) async throws {
    let engine = try Engine()
    let kind =
      if asynchronous {
        try await engine.call {
          await errorKind { () async throws(EngineError) in try await engine.shutdown() }
        }
      } else {
        try await engine.call {
          errorKind { () throws(EngineError) in try engine.shutdownAndWait() }
        }
      }
    #expect(kind == "stopInProgress")
    #expect(
      await errorKind { () async throws(EngineError) in try await engine.call {} } == "shutdown")
    try await engine.shutdown()
  }

  @Test("A task on one loop can stop another engine and is not held up")
  func otherEngine() async throws {
    let (first, second) = (try Engine(), try Engine())
    let loop = try await first.loopThreadID
    try await first.call {
      try await second.shutdown()
      #expect(threadID == loop)
    }
    #expect(try await first.call { 1 } == 1)
  }

  @Test("Stopping while callers call: each call ends once, as done or as refused")
  func whileCalling() async throws {
    for mode in [Engine.StopMode.cancel, .drain] {
      let engine = try Engine()
      let (done, refused, ran) = (Counter(), Counter(), Counter())
      async let callers: Void = HostThread.run {
        HostThread.race(4) { index in
          for number in 0..<500 {
            do {
              switch (index + number) % 3 {
              case 0: try engine.callAndWait { _ = ran.add() }
              case 1: try engine.callAndWait(deadline: .seconds(30)) { _ = ran.add() }
              default: try engine.callAndWait { () async in _ = ran.add() }
              }
              done.add()
            } catch {
              #expect((error as? EngineError)?.kind == "shutdown", "\(error)")
              refused.add()
            }
          }
        }
      }
      #expect(await eventually { done.value > 50 })
      try await engine.shutdown(mode: mode)
      try await callers
      #expect(done.value + refused.value == 2_000)
      #expect(ran.value == done.value)
    }
  }
}
