import CTestSupport
import Outboard
import Testing

@Suite("Offloaded work", .timeLimit(.minutes(1)))
struct OffloadTests {
  @Test("A body runs on a pool thread, its result and its error come back")
  func result() async throws {
    let engine = try Engine()
    let loop = try await engine.loopThreadID
    let thread = try await engine.offload { threadID }
    #expect(thread != loop)
    #expect(try await engine.offload { engine.isOnLoop } == false)
    do {
      try await engine.offload { throw Fault(code: 6) }
      Issue.record("returned")
    } catch .body(let cause) {
      #expect(cause as? Fault == Fault(code: 6))
    }
    let blocking = try await HostThread.run { try engine.offloadAndWait { threadID } }
    #expect(blocking != loop)
  }

  @Test("A blocked pool thread does not hold the loop")
  func loopGoesOn() async throws {
    let engine = try Engine()
    let gate = Gate()
    async let blocked: Void = engine.offload { gate.pass() }
    #expect(try await engine.call { 1 } == 1)
    gate.open()
    try await blocked
  }

  @Test("The pool grows to its limit and no further; what exceeds its queue fails")
  func limits() async throws {
    var configuration = Engine.Configuration()
    configuration.offload.threads = 2
    configuration.offload.hardLimit = 2
    configuration.offload.queueLimit = 3
    let engine = try Engine(configuration)
    let (gate, running, most) = (Gate(), Counter(), Counter())
    let tickets = (0..<2).map { _ in
      Task {
        try await engine.offload {
          most.add()
          running.add()
          gate.pass()
          running.add(-1)
        }
      }
    }
    #expect(await eventually { running.value == 2 })
    let waiting = (0..<3).map { _ in Task { try await engine.offload { most.add() } } }
    #expect(await eventually { (try? engine.statistics().offloadQueued) == 3 })
    #expect(try engine.statistics().offloadThreads == 2)
    let kind = await errorKind { () async throws(EngineError) in try await engine.offload { 1 } }
    #expect(kind == "queueFull")
    gate.open()
    gate.open()
    for ticket in tickets { try await ticket.value }
    for ticket in waiting { _ = try await ticket.value }
    #expect(most.value == 5)
  }

  @Test("Pool threads may call the engine; idle ones leave")
  func callsAndLeaves() async throws {
    var configuration = Engine.Configuration()
    configuration.name = "ob-pool-test"
    configuration.offload.idleTimeout = .milliseconds(5)
    let engine = try Engine(configuration)
    let sum = try await engine.offload {
      try engine.callAndWait { 1 } + engine.offloadAndWait { 2 }
        + engine.callAndWait {
          await Task.yield()
          return 3
        }
    }
    #expect(sum == 6)
    #expect(await eventually { (try? engine.statistics().offloadThreads) == 0 })
  }
}
