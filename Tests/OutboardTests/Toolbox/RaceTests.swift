import Testing

@testable import Outboard

@Suite("race and select", .timeLimit(.minutes(1)))
struct RaceTests {
  let time = ManualTime()

  /// Returns its number after so many nanoseconds of the manual clock.
  private func runner(
    _ number: Int, _ nanoseconds: UInt64, _ ended: Counter = Counter()
  ) -> @Sendable () async throws -> Int {
    let time = time.source
    return {
      defer { ended.add() }
      try await time.sleep(nanoseconds)
      return number
    }
  }

  @Test("The first wins; the others are cancelled and awaited")
  func firstWins() async throws {
    let (time, ended) = (time, Counter())
    let contenders = [runner(0, 30, ended), runner(1, 10, ended), runner(2, 20, ended)]
    let task = Task { try await select(contenders) }
    #expect(await eventually { time.sleeping == 3 })
    time.advance(by: .nanoseconds(10))
    let selection = try await task.value
    #expect(selection.index == 1)
    #expect(try selection.get() == 1)
    #expect(ended.value == 3)
    #expect(time.sleeping == 0)
  }

  @Test("An error wins like a value; by the other rule it drops out")
  func errors() async throws {
    let failing: @Sendable () async throws -> Int = { throw Fault(code: 8) }
    await #expect(throws: Fault(code: 8)) { try await race(failing, runner(1, 10)) }
    let time = time
    let task = Task { [one = runner(1, 10), two = runner(2, 20)] in
      try await race(failing, one, two, rule: .firstToSucceed)
    }
    #expect(await eventually { time.sleeping == 2 })
    time.advance(by: .nanoseconds(10))
    #expect(try await task.value == 1)
    await #expect(throws: Fault(code: 8)) { try await race(failing, rule: .firstToSucceed) }
  }

  @Test("When all fail, the first failure is the answer, in each order")
  func allFail() {
    var state = RaceState(.firstToSucceed)
    #expect([2, 0, 1].map { state.ended($0, succeeded: false) } == [false, false, false])
    #expect(state.result == 2)
    state = RaceState(.firstToSucceed)
    #expect([2, 0].map { state.ended($0, succeeded: $0 == 0) } == [false, true])
    #expect(state.ended(1, succeeded: true) == false)
    #expect(state.result == 0)
  }

  @Test("A value that a loser has already taken is not lost")
  func late() async throws {
    let (stream, source) = AsyncStream.makeStream(of: Int.self)
    source.yield(42)
    let (time, taken) = (time, Counter())
    let selection = try await select(
      {
        #expect(await eventually { taken.value == 1 })
        return 7
      },
      {
        for await element in stream {
          taken.add()
          try? await time.source.sleep(1_000)  // cancelled here, with the element in its hands
          return element
        }
        return -1
      })
    #expect(selection.index == 0)
    #expect(try selection.outcomes.map { try $0.get() } == [7, 42])
  }

  @Test("Cancelling the caller cancels them all")
  func cancelled() async throws {
    let time = time
    let task = Task { [one = runner(1, 10), two = runner(2, 20)] in try await race(one, two) }
    #expect(await eventually { time.sleeping == 2 })
    task.cancel()
    let error = await #expect(throws: EngineError.self) { try await task.value }
    #expect(error?.kind == "cancelled")
    #expect(time.sleeping == 0)
  }

  @Test("A race of nobody is refused")
  func misuse() async {
    let error = await #expect(throws: EngineError.self) {
      try await select([@Sendable () async throws -> Int]())
    }
    #expect(error?.kind == "invalidArgument")
  }

  @Test("A stalled server against a timer on the loop; then against a server that answers")
  func real() async throws {
    let engine = try Engine()
    let stalled = LoopbackServer { connection, _ in _ = readLine(from: connection) }
    let quick = LoopbackServer { connection, _ in
      guard let line = readLine(from: connection) else { return }
      try? sendLine(line, to: connection)
    }
    let slow = try LineClient(port: stalled.port)
    let ask: @Sendable () async throws -> String = {
      try await withTaskCancellationHandler {
        try await engine.offload { readLine(from: slow.descriptor) ?? "hung up" }
      } onCancel: {
        slow.hangUp()
      }
    }
    let winner = try await engine.call(deadline: .seconds(50)) {
      try await race(
        ask,
        {
          try await engine.sleep(for: .milliseconds(10))
          return "timer"
        })
    }
    #expect(winner == "timer")
    slow.close()
    let client = try LineClient(port: quick.port)
    let answer = try await engine.call(deadline: .seconds(50)) {
      try await race(
        { try await engine.offload { try client.ask("hello") } },
        {
          try await engine.sleep(for: .seconds(600))
          return "timer"
        })
    }
    #expect(answer == "hello")
    client.close()
    stalled.stop()
    quick.stop()
  }
}
