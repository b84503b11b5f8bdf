import Outboard
import Testing

@Suite("Awaited calls", .timeLimit(.minutes(1)))
struct CallTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  @Test("A body runs on the loop thread; its result and its error come back")
  func synchronous() async throws {
    let loop = try await engine.loopThreadID
    #expect(try await engine.call { threadID } == loop)
    await #expect(throws: EngineError.self) { try await engine.call { throw Fault() } }
    do {
      try await engine.call { throw Fault(code: 2) }
    } catch .body(let cause) {
      #expect(cause as? Fault == Fault(code: 2))
    }
  }

  @Test("Every step of an asynchronous body runs on the loop thread")
  func asynchronous() async throws {
    let loop = try await engine.loopThreadID
    let steps = Recorder<Int64>()
    let value = try await engine.call {
      steps.add(threadID)
      await Task.yield()
      steps.add(threadID)
      try await Task.sleep(for: .milliseconds(1))
      steps.add(threadID)
      return "done"
    }
    #expect(value == "done")
    #expect(steps.all == [loop, loop, loop])
  }

  @Test("The caller comes back to where it was")
  func caller() async throws {
    let engine = engine
    await MainActor.run {}
    try await Task { @MainActor in
      _ = try await engine.call { 1 }
      MainActor.assertIsolated()
      _ = try await engine.call { await Task.yield() }
      MainActor.assertIsolated()
    }.value
  }

  @Test("On the loop a call runs inline")
  func inline() async throws {
    let engine = engine
    let before = try engine.statistics().submitted
    let value = try await engine.call {
      var sum = try await engine.call { 1 }
      sum += try await engine.call { () async in 2 }
      sum += try await engine.call(deadline: .seconds(5)) { 4 }
      return sum
    }
    #expect(value == 7)
    #expect(try engine.statistics().submitted - before == 1)
  }

  @Test("On the loop an asynchronous body with a deadline is a call of its own")
  func nestedDeadline() async throws {
    let engine = engine
    let value = try await engine.call {
      try await engine.call(deadline: .seconds(30)) {
        await Task.yield()
        return 8
      }
    }
    #expect(value == 8)
    let kind = try await engine.call {
      await errorKind { () async throws(EngineError) in
        try await engine.call(deadline: .milliseconds(20)) {
          try await engine.sleep(for: .seconds(60))
        }
      }
    }
    #expect(kind == "timedOut")
  }

  @Test("Thousands of calls at once")
  func many() async throws {
    let engine = engine
    let sum = try await withThrowingTaskGroup(of: Int.self) { group in
      for number in 0..<4_000 {
        group.addTask {
          if number % 2 == 0 { return try await engine.call { number } }
          return try await engine.call {
            await Task.yield()
            return number
          }
        }
      }
      return try await group.reduce(0, +)
    }
    #expect(sum == 3_999 * 2_000)
  }

  @Test("One engine calls another and comes back")
  func twoEngines() async throws {
    let (first, second) = (engine, try Engine())
    let (one, two) = (try await first.loopThreadID, try await second.loopThreadID)
    let steps = Recorder<Int64>()
    try await first.call {
      steps.add(threadID)
      steps.add(try await second.call { threadID })
      steps.add(threadID)
      try await second.call {
        await Task.yield()
        steps.add(threadID)
      }
      steps.add(threadID)
    }
    #expect(steps.all == [one, two, one, two, one])
  }
}
