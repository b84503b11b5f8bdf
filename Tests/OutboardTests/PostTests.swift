import Outboard
import Testing

@Suite("Posts", .timeLimit(.minutes(1)))
struct PostTests {
  @Test("What one thread posts and calls runs in that order", arguments: [1, 2, 4])
  func order(threads: Int) throws {
    let engine = try Engine()
    nonisolated(unsafe) var last = Array(repeating: 0, count: threads)  // changed on the loop only
    HostThread.race(threads) { index in
      for number in 1...2_000 {
        let check: @Sendable () -> Void = {
          unsafe #expect(last[index] == number - 1)
          unsafe last[index] = number
        }
        do {
          switch number % 5 {
          case 0: try engine.callAndWait(check)
          case 1: _ = try engine.submit(whenFull: .wait, check)
          default: try engine.post(whenFull: .wait, check)
          }
        } catch {
          Issue.record(error)
        }
      }
    }
    let counts = try engine.callAndWait { unsafe last }
    #expect(counts == Array(repeating: 2_000, count: threads))
  }

  @Test("What one task posts runs in that order, from whatever threads")
  func taskOrder() async throws {
    let engine = try Engine()
    let seen = Recorder<Int>()
    for number in 0..<500 {
      try engine.post(whenFull: .wait) { seen.add(number) }
      if number % 3 == 0 { await Task.yield() }
    }
    try await engine.call {}
    #expect(seen.all == Array(0..<500))
  }

  @Test("Posts run on the loop thread, from the loop thread too")
  func fromLoop() async throws {
    let engine = try Engine()
    let loop = try await engine.loopThreadID
    let seen = Recorder<Int64>()
    try engine.post {
      do { try engine.post { seen.add(threadID) } } catch { Issue.record(error) }
    }
    #expect(await eventually { seen.count == 1 })
    #expect(seen.all == [loop])
  }

  @Test("A post that a stop overtakes is released without running")
  func stopped() async throws {
    let engine = try Engine()
    let (gate, alive, ran, held) = (Gate(), Counter(), Counter(), Counter())
    try engine.post {
      held.add()
      gate.pass()
    }
    #expect(await eventually { held.value == 1 })
    for _ in 0..<10 {
      let captured = Tracked(alive)
      try engine.post {
        _ = captured
        ran.add()
      }
    }
    #expect(
      errorKind { () throws(EngineError) in
        try engine.shutdownNow(deadline: .milliseconds(1))
      } == "timedOut")
    gate.open()
    try await engine.shutdown()
    #expect(ran.value == 0)
    #expect(await eventually { alive.value == 0 })
  }
}

extension Engine {
  /// ``shutdownAndWait(mode:deadline:)`` where the compiler forbids it, for moments only.
  func shutdownNow(
    mode: StopMode = .cancel, deadline: Deadline
  ) throws(EngineError) {
    try shutdownAndWait(mode: mode, deadline: deadline)
  }
}
