import Outboard
import Testing

@Suite("Cancellation", .timeLimit(.minutes(1)))
struct CancellationTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  /// Holds the loop until the gate opens; returns once it is held.
  private func holdLoop(_ gate: Gate) async throws {
    let engine = engine
    let held = Counter()
    try engine.post {
      held.add()
      gate.pass()
    }
    #expect(await eventually { held.value == 1 })
  }

  @Test("Before submission: a cancelled task submits nothing")
  func before() async throws {
    let engine = engine
    let ran = Counter()
    let before = try engine.statistics().submitted
    let kinds = await Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      return [
        await errorKind { () async throws(EngineError) in try await engine.call { ran.add() } },
        await errorKind { () async throws(EngineError) in
          try await engine.call { () async in ran.add() }
        },
        await errorKind { () async throws(EngineError) in try await engine.offload { ran.add() } },
        await errorKind { () async throws(EngineError) in
          try await engine.sleep(for: .seconds(60))
        },
      ]
    }.value
    #expect(kinds == ["cancelled", "cancelled", "cancelled", "cancelled"])
    #expect(ran.value == 0)
    #expect(try engine.statistics().submitted == before)
  }

  @Test("After submission: a queued body never runs", arguments: [false, true])
  func queued(asynchronous: Bool) async throws {
    let engine = engine
    let (gate, ran, submitted) = (Gate(), Counter(), Counter())
    try await holdLoop(gate)
    let task = Task {
      submitted.add()
      return await errorKind { () async throws(EngineError) in
        if asynchronous {
          try await engine.call { () async in _ = ran.add() }
        } else {
          try await engine.call { _ = ran.add() }
        }
      }
    }
    #expect(await eventually { submitted.value == 1 })
    #expect(await eventually { (try? engine.statistics().inFlight) == 2 })
    task.cancel()
    gate.open()
    #expect(await task.value == "cancelled")
    #expect(try await engine.call { ran.value } == 0)
  }

  @Test("An asynchronous body that runs is cancelled")
  func running() async throws {
    let engine = engine
    let (started, ended) = (Counter(), Counter())
    let task = Task {
      await errorKind { () async throws(EngineError) in
        try await engine.call {
          started.add()
          defer { ended.add() }
          try await Task.sleep(for: .seconds(60))
        }
      }
    }
    #expect(await eventually { started.value == 1 })
    task.cancel()
    #expect(await task.value == "cancelled")
    #expect(ended.value == 1)
  }

  @Test("A body that goes on after cancellation is awaited, and its result counts")
  func ignoring() async throws {
    let engine = engine
    let started = Counter()
    let task = Task {
      try await engine.call {
        started.add()
        try? await Task.sleep(for: .seconds(60))
        return Task.isCancelled
      }
    }
    #expect(await eventually { started.value == 1 })
    task.cancel()
    #expect(try await task.value == true)
  }

  @Test("A synchronous body sees that it is cancelled")
  func visible() async throws {
    let engine = engine
    let started = Counter()
    let task = Task {
      try await engine.offload {
        started.add()
        return eventuallyBlocking { Engine.isCallCancelled }
      }
    }
    #expect(await eventually { started.value == 1 })
    task.cancel()
    #expect(try await task.value == true)
    #expect(try await engine.offload { Engine.isCallCancelled } == false)
  }

  @Test("A cancelled body's own error still counts when it says something else")
  func ownError() async throws {
    let engine = engine
    let started = Counter()
    let task = Task {
      try await engine.call {
        started.add()
        try? await Task.sleep(for: .seconds(60))
        throw Fault(code: 9)
      }
    }
    #expect(await eventually { started.value == 1 })
    task.cancel()
    do {
      try await task.value
      Issue.record("returned")
    } catch EngineError.body(let cause) {
      #expect(cause as? Fault == Fault(code: 9))
    }
  }

  @Test("Cancelling at any moment: each call ends once, and the engine serves on")
  func storm() async throws {
    let engine = engine
    let ended = Counter()
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<2_000 {
        group.addTask {
          let task = Task {
            do {
              if number % 3 == 0 {
                _ = try await engine.call { number }
              } else if number % 3 == 1 {
                _ = try await engine.call { try await Task.sleep(for: .microseconds(number)) }
              } else {
                _ = try await engine.offload { number }
              }
            } catch {
              let kind = (error as? EngineError)?.kind
              #expect(kind == "cancelled" || kind == "queueFull", "\(error)")
            }
            ended.add()
          }
          if number % 2 == 0 { await Task.yield() }
          task.cancel()
          await task.value
        }
      }
    }
    #expect(ended.value == 2_000)
    #expect(try await engine.call { 1 } == 1)
    #expect(await eventually { (try? engine.statistics().inFlight) == 0 })
  }
}
