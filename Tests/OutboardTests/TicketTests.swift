import Outboard
import Testing

@Suite("Tickets", .timeLimit(.minutes(1)))
struct TicketTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  @Test("The result can be waited for, awaited and polled, by many, again and again")
  func result() async throws {
    let ticket = try engine.submit {
      await Task.yield()
      return [1, 2, 3]
    }
    #expect(try await ticket.value == [1, 2, 3])
    #expect(try await HostThread.run { try ticket.wait() } == [1, 2, 3])
    #expect(try ticket.poll() == [1, 2, 3])
    #expect(ticket.hasEnded)
    let sums = try await withThrowingTaskGroup(of: Int.self) { group in
      let slow = try engine.submit {
        try await Task.sleep(for: .milliseconds(5)); return 7
      }
      for _ in 0..<50 { group.addTask { try await slow.value } }
      for _ in 0..<4 { group.addTask { try await HostThread.run { try slow.wait() } } }
      return try await group.reduce(0, +)
    }
    #expect(sums == 54 * 7)
  }

  @Test("The body's error is carried, by each way of asking")
  func bodyError() async throws {
    let ticket = try engine.submit { () throws -> Int in throw Fault(code: 5) }
    #expect(await errorKind { () async throws(EngineError) in try await ticket.value } == "body")
    #expect(errorKind { () throws(EngineError) in try ticket.poll() } == "body")
    #expect(
      try await HostThread.run { errorKind { () throws(EngineError) in try ticket.wait() } }
        == "body")
  }

  @Test("A call that has not ended polls as nil, and waiting can be given up without ending it")
  func pending() async throws {
    let gate = Gate()
    let ticket = try engine.submit {
      gate.pass(); return 3
    }
    #expect(try ticket.poll() == nil)
    #expect(!ticket.hasEnded)
    let kind = try await HostThread.run {
      errorKind { () throws(EngineError) in try ticket.wait(deadline: .milliseconds(10)) }
    }
    #expect(kind == "timedOut")
    gate.open()
    #expect(try await ticket.value == 3)
    let late = try await HostThread.run { try ticket.wait(deadline: .after(.zero)) }
    #expect(late == 3, "an ended call needs no time")
  }

  @Test("Cancelling a queued call, a running one, and one that has ended")
  func cancel() async throws {
    let (gate, ran) = (Gate(), Counter())
    try engine.post { gate.pass() }
    let queued = try engine.submit { ran.add() }
    #expect(queued.cancel())
    #expect(
      await errorKind { () async throws(EngineError) in try await queued.value } == "cancelled")
    gate.open()
    let running = try engine.submit { try await Task.sleep(for: .seconds(60)) }
    #expect(running.cancel())
    #expect(
      await errorKind { () async throws(EngineError) in try await running.value } == "cancelled")
    let ended = try engine.submit { 1 }
    #expect(try await ended.value == 1)
    #expect(!ended.cancel())
    #expect(try await ended.value == 1)
    #expect(ran.value == 0)
  }

  @Test("A body may cancel its own call")
  func cancelsItself() async throws {
    let engine = engine
    let box = Recorder<Ticket<Bool>>()
    let gate = Gate()
    try engine.post { gate.pass() }
    box.add(
      try engine.submit {
        #expect(box.all[0].cancel())
        try? await Task.sleep(for: .seconds(60))
        return Task.isCancelled
      })
    gate.open()
    #expect(try await box.all[0].value == true)
  }

  @Test("Cancelling the task that awaits cancels the call")
  func cancelAwait() async throws {
    let ticket = try engine.submit { try await Task.sleep(for: .seconds(60)) }
    let task = Task {
      await errorKind { () async throws(EngineError) in try await ticket.value }
    }
    task.cancel()
    #expect(await task.value == "cancelled")
    #expect(ticket.hasEnded)
  }

  @Test("Waiting on the loop thread for a call that has not ended is a deadlock")
  func onLoop() async throws {
    let engine = engine
    let kind = try await HostThread.run {
      try engine.callAndWait {
        let ticket = try engine.submit { 1 }
        return errorKind { () throws(EngineError) in try ticket.wait() }
      }
    }
    #expect(kind == "deadlock")
  }

  @Test("A dropped ticket does not end its call")
  func dropped() async throws {
    let ran = Counter()
    _ = try engine.submit {
      await Task.yield()
      ran.add()
    }
    #expect(await eventually { ran.value == 1 })
  }

  @Test("A ticket outlives its engine")
  func outlives() async throws {
    let (gate, held) = (Gate(), Counter())
    var engine: Engine? = try Engine()
    let ended = try engine?.submit { 4 }
    #expect(try await ended?.value == 4)
    try engine?.post {
      held.add()
      gate.pass()
    }
    #expect(await eventually { held.value == 1 })
    let queued = try engine?.submit { 5 }
    engine = nil
    gate.open()
    #expect(try await ended?.value == 4)
    let kind = await errorKind { () async throws(EngineError) in try await queued?.value }
    #expect(kind == "shutdown")
  }

  @Test("Results and bodies are released")
  func released() async throws {
    let alive = Counter()
    for _ in 0..<100 {
      let captured = Tracked(alive)
      let ticket = try engine.submit { (captured, Tracked(alive)) }
      _ = try await ticket.value
      let task = try engine.submit {
        await Task.yield(); return captured
      }
      _ = try await task.value
      _ = try? await engine.call {
        _ = captured; throw Fault()
      }
    }
    #expect(await eventually { alive.value == 0 })
  }
}
