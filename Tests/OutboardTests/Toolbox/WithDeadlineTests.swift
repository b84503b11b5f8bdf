import Testing

@testable import Outboard

@Suite("withDeadline", .timeLimit(.minutes(1)))
struct WithDeadlineTests {
  let time = ManualTime()

  /// On the manual clock.
  private func after(_ duration: Duration) -> Expiry {
    Expiry(after: duration.saturatedNanoseconds, now: time.source.now())
  }

  /// Sleeps on the manual clock until it is cancelled.
  private func forever() async throws { try await time.source.sleep(.max / 4) }

  @Test("What ends in time is passed on, value or error")
  func inTime() async throws {
    let (time, expiry) = (time.source, after(.seconds(1)))
    #expect(try await withExpiry(expiry, time) { 7 } == 7)
    await #expect(throws: Fault(code: 3)) {
      try await withExpiry(expiry, time) { throw Fault(code: 3) }
    }
    #expect(self.time.sleeping == 0, "the timer goes with the operation")
  }

  @Test("When the time comes, and not before, the operation is cancelled, awaited, and timed out")
  func expires() async throws {
    let (time, expiry, ended) = (time, after(.seconds(5)), Counter())
    let task = Task {
      try await withExpiry(expiry, time.source) {
        defer { ended.add() }
        try await forever()
      }
    }
    #expect(await eventually { time.sleeping == 2 })
    time.advance(by: .nanoseconds(4_999_999_999))
    #expect(time.sleeping == 2)
    time.advance(by: .nanoseconds(1))
    let error = await #expect(throws: EngineError.self) { try await task.value }
    #expect(error?.kind == "timedOut")
    #expect(ended.value == 1)
  }

  @Test("Nested deadlines take the smaller", arguments: [(1, 9), (9, 1)])
  func nested(outer: Int, inner: Int) async throws {
    let time = time
    let (first, second) = (after(.seconds(outer)), Duration.seconds(inner))
    let task = Task {
      try await withExpiry(first, time.source) {
        let inside = Deadline.after(second).expiry(by: time.source)
        return try await withExpiry(inside, time.source) { try await forever() }
      }
    }
    #expect(await eventually { time.sleeping == 3 })
    #expect(time.begun.filter { $0 == .seconds(1) }.count == (outer < inner ? 2 : 1))
    time.advance(by: .seconds(1))
    let error = await #expect(throws: EngineError.self) { try await task.value }
    #expect(error?.kind == "timedOut")
    #expect(time.sleeping == 0)
  }

  @Test("A time that has come lets nothing run")
  func expired() async {
    let ran = Counter()
    for deadline in [Deadline.after(.zero), .seconds(-1), .at(.now - .seconds(1))] {
      let error = await #expect(throws: EngineError.self) {
        try await withDeadline(deadline) { ran.add() }
      }
      #expect(error?.kind == "timedOut")
    }
    #expect(ran.value == 0)
  }

  @Test("A late value is destroyed; a late error is told of")
  func late() async throws {
    let (time, alive) = (time, Counter())
    let value = Task { [expiry = after(.seconds(1))] in
      try await withExpiry(expiry, time.source) {
        try? await forever()
        return Tracked(alive)
      }
    }
    let failure = Task { [expiry = after(.seconds(1))] in
      try await withExpiry(expiry, time.source) {
        try? await forever()
        throw Fault(code: 44)
      }
    }
    #expect(await eventually { time.sleeping == 4 })
    time.advance(by: .seconds(1))
    let silent = await #expect(throws: EngineError.self) { _ = try await value.value }
    #expect(silent?.description == "the deadline expired")
    let told = await #expect(throws: EngineError.self) { try await failure.value }
    #expect(told?.kind == "timedOut")
    #expect(told?.description.contains("44") == true)
    #expect(alive.value == 0)
  }

  @Test("Cancelling the caller cancels the operation, whose own error counts")
  func cancelled() async throws {
    let (time, expiry) = (time, after(.seconds(1)))
    let task = Task {
      try await withExpiry(expiry, time.source) {
        do { try await forever() } catch { throw Fault(code: 5) }
      }
    }
    #expect(await eventually { time.sleeping == 2 })
    task.cancel()
    await #expect(throws: Fault(code: 5)) { try await task.value }
    #expect(time.sleeping == 0)
  }

  @Test("What happens first decides, in each order of events")
  func race() throws {
    var early = TimedRace<Int>()
    early.happened(.ended(.success(1)))
    #expect(early.isDecided)
    early.happened(.expired)
    #expect(try early.result.get() == 1)
    var late = TimedRace<Int>()
    late.happened(.timerCancelled)
    #expect(!late.isDecided)
    late.happened(.expired)
    #expect(late.isDecided)
    late.happened(.ended(.success(1)))
    #expect(throws: EngineError.self) { try late.result.get() }
  }

  @Test("Without a deadline, the operation runs without more ado")
  func never() async throws {
    #expect(try await withDeadline(.never) { Deadline.current } == .never)
    #expect(time.sleeping == 0)
  }

  // MARK: With engines

  @Test("The deadline is ambient: engine calls keep it, on every side of them")
  func ambient() async throws {
    let (engine, other) = (try Engine(), try Engine())
    let left = try await withDeadline(.seconds(500)) {
      try await engine.call {
        await Task.yield()
        return try await other.call(deadline: .seconds(900)) { () async in Deadline.current }
      }
    }
    #expect(left.remaining.map { $0 > .seconds(400) && $0 <= .seconds(500) } == true)
    let inner = try await engine.call(deadline: .seconds(300)) { () async in Deadline.current }
    #expect(inner.remaining.map { $0 > .seconds(200) && $0 <= .seconds(300) } == true)
    let detached = try await withDeadline(.seconds(500)) {
      await Task.detached { Deadline.current }.value
    }
    #expect(detached == .never)
    #expect(Deadline.current == .never)
  }

  @Test("A body that blocks a pool thread does not hold the caller")
  func stalled() async throws {
    let (engine, gate, started, ended) = (try Engine(), Gate(), Counter(), Counter())
    // On a busy machine a short deadline may come before the body's turn: then it never runs.
    var milliseconds = 20
    repeat {
      let error = await #expect(throws: EngineError.self) {
        try await withDeadline(.milliseconds(milliseconds)) {
          try await engine.offload {
            started.add()
            gate.pass()
            ended.add()
          }
        }
      }
      #expect(error?.kind == "timedOut")
      milliseconds *= 2
    } while started.value == 0
    #expect(ended.value == 0, "abandoned, not awaited")
    gate.open()
    #expect(await eventually { ended.value == 1 })
  }

  @Test("On a loop it is timed by the loop")
  func onLoop() async throws {
    let engine = try Engine()
    let kind = try await engine.call {
      do {
        try await withDeadline(.milliseconds(10)) { try await engine.sleep(for: .seconds(600)) }
        return "returned"
      } catch {
        return "\((error as? EngineError)?.kind ?? "\(error)"), on loop: \(engine.isOnLoop)"
      }
    }
    #expect(kind == "timedOut, on loop: true")
  }
}
