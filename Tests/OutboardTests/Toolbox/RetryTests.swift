import Testing

@testable import Outboard

@Suite("retry", .timeLimit(.minutes(1)))
struct RetryTests {
  let time = ManualTime()

  /// Runs `retry` on the manual clock.
  private func run<R: Sendable>(
    _ policy: RetryPolicy, seed: UInt64 = 1, _ operation: @escaping @Sendable () async throws -> R
  ) -> Task<R, any Error> {
    let time = time.source
    return Task {
      var generator = SeededGenerator(seed, for: "retry")
      return try await retry(policy, time, &generator, operation)
    }
  }

  @Test("It pauses between attempts, and stops at the first success")
  func succeeds() async throws {
    let (time, attempts) = (time, Counter())
    let backoff = Backoff(base: .milliseconds(10), cap: .seconds(1))
    let task = run(RetryPolicy(attempts: 9, backoff: backoff)) {
      let number = attempts.add()
      if number < 4 { throw Fault(code: number) }
      return number
    }
    for number in 1...3 {
      #expect(await eventually { time.sleeping == 1 })
      #expect(attempts.value == number)
      time.advance(by: .seconds(1))
    }
    #expect(try await task.value == 4)
    #expect(time.begun.count == 3)
  }

  @Test("The last attempt's error is the answer, as it is")
  func exhausted() async throws {
    let attempts = Counter()
    let none = Backoff(base: .zero, cap: .zero)
    let task = run(RetryPolicy(attempts: 3, backoff: none)) {
      throw Fault(code: attempts.add())
    }
    await #expect(throws: Fault(code: 3)) { try await task.value }
  }

  @Test("An error that the predicate refuses ends it")
  func predicate() async throws {
    let attempts = Counter()
    let none = Backoff(base: .zero, cap: .zero)
    let policy = RetryPolicy(attempts: 9, backoff: none) { $0 as? Fault != Fault(code: 2) }
    let task = run(policy) { throw Fault(code: attempts.add()) }
    await #expect(throws: Fault(code: 2)) { try await task.value }
    let wrapped = run(policy) { throw EngineError.body(Fault(code: 2)) }
    let error = await #expect(throws: EngineError.self) { try await wrapped.value }
    #expect(error?.kind == "body", "the predicate sees the body's own error, the caller all of it")
    #expect(RetryPolicy.mayPass(Fault()))
    #expect(RetryPolicy.mayPass(EngineError.body(Fault())))
    #expect(RetryPolicy.mayPass(EngineError.queueFull))
    #expect(!RetryPolicy.mayPass(CancellationError()))
    #expect(!RetryPolicy.mayPass(EngineError.body(EngineError.cancelled)))
    #expect(!RetryPolicy.mayPass(EngineError.shutdown))
  }

  @Test("Cancellation ends a pause at once; no attempt follows")
  func cancelled() async throws {
    let (time, attempts) = (time, Counter())
    let task = run(RetryPolicy(attempts: 9)) {
      attempts.add()
      throw Fault()
    }
    #expect(await eventually { time.sleeping == 1 })
    task.cancel()
    let error = await #expect(throws: EngineError.self) { try await task.value }
    #expect(error?.kind == "cancelled")
    #expect(attempts.value == 1)
  }

  @Test("A cancelled attempt's own error counts, and it is the last")
  func cancelledAttempt() async throws {
    let (time, attempts) = (time, Counter())
    let task = run(RetryPolicy(attempts: 9)) {
      attempts.add()
      try? await time.source.sleep(1_000_000)
      throw Fault(code: 6)
    }
    #expect(await eventually { time.sleeping == 1 })
    task.cancel()
    await #expect(throws: Fault(code: 6)) { try await task.value }
    #expect(attempts.value == 1)
  }

  @Test("Each attempt has its deadline")
  func attemptDeadline() async throws {
    let (time, attempts) = (time, Counter())
    let policy = RetryPolicy(
      attempts: 2, backoff: Backoff(base: .zero, cap: .zero), attemptDeadline: .seconds(3))
    let task = run(policy) {
      attempts.add()
      try await time.source.sleep(.max / 4)
    }
    for number in 1...2 {
      #expect(await eventually { attempts.value == number && time.sleeping == 2 })
      time.advance(by: .seconds(3))
    }
    let error = await #expect(throws: EngineError.self) { try await task.value }
    #expect(error?.kind == "timedOut")
  }

  @Test("The whole deadline cuts an attempt short, and keeps a pause from beginning in vain")
  func wholeDeadline() async throws {
    let (time, attempts) = (time, Counter())
    let backoff = Backoff(base: .seconds(4), cap: .seconds(4))
    let cut = run(RetryPolicy(attempts: 9, backoff: backoff, deadline: .seconds(3))) {
      attempts.add()
      try await time.source.sleep(.max / 4)
    }
    #expect(await eventually { time.sleeping == 2 })
    time.advance(by: .seconds(3))
    #expect((await #expect(throws: EngineError.self) { try await cut.value })?.kind == "timedOut")
    #expect(attempts.value == 1)
    let late = run(RetryPolicy(attempts: 9, deadline: .after(.zero))) { _ = attempts.add() }
    let over = await #expect(throws: EngineError.self) { try await late.value }
    #expect(over?.description == "the deadline expired")
    #expect(attempts.value == 1, "no attempt is begun")
    let vain = run(RetryPolicy(attempts: 9, backoff: backoff, deadline: .seconds(4))) {
      throw Fault(code: 77)
    }
    let error = await #expect(throws: EngineError.self) { try await vain.value }
    #expect(error?.kind == "timedOut")
    #expect(error?.description.contains("after 1 attempt, ") == true)
    #expect(error?.description.contains("77") == true, "the last error is told")
  }

  @Test("Backoff: between base and three times the one before, never above the cap")
  func jitter() {
    for seed: UInt64 in 1...50 {
      var generator = SeededGenerator(seed, for: "backoff")
      let base = UInt64.random(in: 0...1_000_000, using: &generator)
      let cap = base + UInt64.random(in: 0...50_000_000, using: &generator)
      let policy = RetryPolicy(
        attempts: .max, backoff: Backoff(base: .nanoseconds(base), cap: .nanoseconds(cap)))
      var state = RetryState(policy, .never)
      var previous = base
      for _ in 0..<100 {
        guard case .pause(let next) = state.failed(.passing, now: 0, using: &generator) else {
          Issue.record("gave up")
          return
        }
        #expect(next >= base && next <= min(cap, max(base, previous * 3)))
        previous = next
      }
    }
  }

  @Test("The longest possible pauses do not overflow")
  func overflow() {
    var generator = SeededGenerator(3, for: "backoff overflow")
    let long = Backoff(base: .seconds(Int64.max), cap: .seconds(Int64.max))
    #expect(long.pause(after: .max, using: &generator) == .max)
    var state = RetryState(RetryPolicy(attempts: 9, backoff: long), Expiry(after: 5, now: 0))
    #expect(state.failed(.passing, now: 0, using: &generator) == .outOfTime)
  }

  @Test("Misuse is named")
  func misuse() async throws {
    let second = Duration.seconds(1)
    let wrong = [
      ("RetryPolicy.attempts is 0", RetryPolicy(attempts: 0)),
      (
        "Backoff.base is",
        RetryPolicy(attempts: 1, backoff: Backoff(base: .zero - second, cap: second))
      ),
      ("Backoff.cap is", RetryPolicy(attempts: 1, backoff: Backoff(base: second, cap: .zero))),
    ]
    for (text, policy) in wrong {
      let ran = Counter()
      let error = await #expect(throws: EngineError.self) {
        try await retry(policy) { ran.add() }
      }
      #expect(error?.kind == "invalidArgument")
      #expect(error?.description.contains(text) == true, "\(String(describing: error))")
      #expect(ran.value == 0)
    }
  }

  @Test("A server that hangs up on the first two is asked three times")
  func realServer() async throws {
    let engine = try Engine()
    let server = LoopbackServer { connection, number in
      guard number >= 2, let line = readLine(from: connection) else { return }
      try? sendLine("\(line) at \(number)", to: connection)
    }
    let backoff = Backoff(base: .milliseconds(1), cap: .milliseconds(5))
    let policy = RetryPolicy(attempts: 5, backoff: backoff, deadline: .seconds(50))
    let answer = try await retry(policy) {
      try await engine.offload {
        let client = try LineClient(port: server.port)
        defer { client.close() }
        return try client.ask("hello")
      }
    }
    #expect(answer == "hello at 2")
    server.stop()
  }
}
