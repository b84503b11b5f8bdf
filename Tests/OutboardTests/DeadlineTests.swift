import Outboard
import Testing

@Suite("Deadlines", .timeLimit(.minutes(1)))
struct DeadlineTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  @Test("A blocked caller leaves a loop that is stalled by another body")
  func stalledLoop() async throws {
    let engine = engine
    let (gate, ran) = (Gate(), Counter())
    try engine.post { gate.pass() }
    let kinds = try await HostThread.run {
      [
        errorKind { () throws(EngineError) in
          try engine.callAndWait(deadline: .milliseconds(20)) { _ = ran.add() }
        },
        errorKind { () throws(EngineError) in
          try engine.callAndWait(deadline: .milliseconds(20)) { () async in _ = ran.add() }
        },
        errorKind { () throws(EngineError) in
          try engine.offloadAndWait(deadline: .milliseconds(20)) { ran.add() }
        },
        errorKind { () throws(EngineError) in
          try engine.submit(deadline: .milliseconds(20)) { ran.add() }.wait()
        },
      ]
    }
    #expect(kinds == ["timedOut", "timedOut", "timedOut", "timedOut"])
    gate.open()
    #expect(try await engine.call { 1 } == 1)
    #expect(ran.value == 0, "queued work past its deadline must not run")
  }

  @Test("A body that blocks the loop is abandoned and its result destroyed")
  func abandoned() async throws {
    let engine = engine
    let (gate, alive) = (Gate(), Counter())
    let kind = try await HostThread.run {
      errorKind { () throws(EngineError) in
        _ = try engine.callAndWait(deadline: .milliseconds(20)) {
          let result = Tracked(alive)
          gate.pass()
          return result
        }
      }
    }
    #expect(kind == "timedOut")
    gate.open()
    try await engine.call {}
    #expect(await eventually { alive.value == 0 })
  }

  @Test("An asynchronous body is cancelled at its deadline", arguments: [false, true])
  func cancelled(blocking: Bool) async throws {
    let engine = engine
    let (started, seen, alive) = (Counter(), Counter(), Counter())
    let body: @Sendable () async throws -> Tracked = {
      started.add()
      let result = Tracked(alive)
      try? await Task.sleep(for: .seconds(600))
      if Task.isCancelled { seen.add() }
      return result
    }
    // On a busy machine a short deadline may come before the body's turn: then it never runs.
    var milliseconds = 20
    repeat {
      let deadline = Deadline.milliseconds(milliseconds)
      let kind =
        if blocking {
          try await HostThread.run {
            errorKind { () throws(EngineError) in
              try engine.callAndWait(deadline: deadline, body)
            }
          }
        } else {
          await errorKind { () async throws(EngineError) in
            try await engine.call(deadline: deadline, body)
          }
        }
      #expect(kind == "timedOut")
      milliseconds *= 2
    } while started.value == 0
    #expect(await eventually { seen.value == 1 })
    #expect(await eventually { alive.value == 0 })
  }

  @Test("An awaited call times out while a pool thread is blocked")
  func offload() async throws {
    let engine = engine
    let (gate, alive) = (Gate(), Counter())
    let kind = await errorKind { () async throws(EngineError) in
      try await engine.offload(deadline: .milliseconds(20)) {
        let result = Tracked(alive)
        gate.pass()
        return result
      }
    }
    #expect(kind == "timedOut")
    gate.open()
    #expect(await eventually { alive.value == 0 })
  }

  @Test("Zero, negative and past deadlines have expired; nothing runs")
  func expired() async throws {
    let engine = engine
    let ran = Counter()
    let past: [Deadline] = [
      .after(.zero), .seconds(-1), .at(.now), .at(.now - .seconds(5)), .milliseconds(0),
    ]
    for deadline in past {
      let kinds = [
        await errorKind { () async throws(EngineError) in
          try await engine.call(deadline: deadline) { _ = ran.add() }
        },
        await errorKind { () async throws(EngineError) in
          try await engine.call(deadline: deadline) { () async in _ = ran.add() }
        },
        try await HostThread.run {
          errorKind { () throws(EngineError) in
            try engine.callAndWait(deadline: deadline) { _ = ran.add() }
          }
        },
        try await engine.call {
          await errorKind { () async throws(EngineError) in
            try await engine.call(deadline: deadline) { _ = ran.add() }
          }
        },
      ]
      #expect(kinds == ["timedOut", "timedOut", "timedOut", "timedOut"])
    }
    #expect(ran.value == 0)
  }

  @Test("Far and endless deadlines do not expire")
  func far() async throws {
    let engine = engine
    let far: [Deadline] = [
      .never, .after(.seconds(Int64.max)), .at(.now + .seconds(1_000_000)), .seconds(3_600),
    ]
    for deadline in far {
      #expect(try await engine.call(deadline: deadline) { 1 } == 1)
      #expect(try await HostThread.run { try engine.callAndWait(deadline: deadline) { 2 } } == 2)
    }
  }

  @Test("Remaining time is what crosses")
  func remaining() {
    #expect(Deadline.never.remaining == nil)
    #expect(Deadline.seconds(2).remaining == .seconds(2))
    #expect(Deadline.seconds(-2).remaining == .zero)
    #expect(Deadline.milliseconds(5) == .after(.milliseconds(5)))
    let left = Deadline.at(.now + .seconds(100)).remaining
    #expect(left.map { $0 > .seconds(90) && $0 <= .seconds(100) } == true)
  }
}
