import Testing

@testable import Outboard

@Suite("Periodic timers", .timeLimit(.minutes(1)))
struct PeriodicTests {
  @Test("Due times are multiples of the interval, however late each tick is taken")
  func schedule() {
    var schedule = PeriodicSchedule(first: 1_000, interval: 100)
    #expect(schedule.due == 1_000)
    #expect(schedule.take(now: 1_050) == Tick(number: 0, missed: 0))
    #expect(schedule.due == 1_100)
    #expect(schedule.take(now: 1_199) == Tick(number: 1, missed: 0))
    #expect(schedule.due == 1_200)
  }

  @Test("What has passed is skipped and counted")
  func skipped() {
    var schedule = PeriodicSchedule(first: 1_000, interval: 100)
    _ = schedule.take(now: 1_000)
    #expect(schedule.take(now: 1_450) == Tick(number: 4, missed: 3))
    #expect(schedule.due == 1_500)
    #expect(schedule.take(now: 1_500) == Tick(number: 5, missed: 0))
  }

  @Test("The end of the clock is never reached and never overflows")
  func farAway() {
    #expect(PeriodicSchedule(first: .max, interval: .max).due == .max)
    var schedule = PeriodicSchedule(first: 5, interval: .max)
    _ = schedule.take(now: 5)
    #expect(schedule.due == .max)
  }

  @Test("Any lateness: numbers rise, what is skipped is all accounted for, no tick is early")
  func histories() {
    for seed in UInt64(1)...100 {
      var random = SeededGenerator(seed)
      let interval = random.next() % 1_000 + 1
      var schedule = PeriodicSchedule(first: 10_000, interval: interval)
      var (now, expected) = (UInt64(10_000), 0)
      for _ in 0..<100 {
        now = max(now, schedule.due) + random.next() % (3 * interval)
        let tick = schedule.take(now: now)
        #expect(tick.number == expected + tick.missed, "seed \(seed)")
        #expect(10_000 + UInt64(tick.number) * interval <= now, "seed \(seed)")
        #expect(10_000 + UInt64(tick.number + 1) * interval > now, "seed \(seed)")
        expected = tick.number + 1
      }
    }
  }

  @Test("A body runs on the loop until it throws, and its error reaches who waits")
  func untilThrown() async throws {
    let engine = try Engine()
    let loop = try await engine.loopThreadID
    let ran = Counter()
    let task = try engine.every(.milliseconds(2), first: .zero) { tick in
      #expect(threadID == loop)
      if ran.add() == 5 { throw Fault(code: tick.number - tick.missed) }
    }
    do {
      try await task.end()
      Issue.record("ended without its error")
    } catch {
      guard case .body(let fault) = error else { throw error }
      #expect(fault is Fault)
    }
    #expect(ran.value == 5)
  }

  @Test("It does not overlap with itself, and skips what it could not do")
  func slow() async throws {
    let engine = try Engine()
    let (inside, skipped, ran) = (Counter(), Counter(), Counter())
    let task = try engine.every(.milliseconds(1)) { tick in
      #expect(inside.add() == 1)
      try await engine.sleep(for: .milliseconds(5))
      inside.add(-1)
      skipped.add(tick.missed)
      if ran.add() == 5 { throw Fault() }
    }
    #expect(await errorKind { () async throws(EngineError) in try await task.end() } == "body")
    // Each run lasts four intervals at least beyond its own.
    #expect(skipped.value >= 16)
  }

  @Test("Cancelled, let go, and at a stop it ends")
  func ends() async throws {
    let engine = try Engine()
    let task = try engine.every(.seconds(600)) { _ in }
    task.cancel()
    #expect(
      await errorKind { () async throws(EngineError) in try await task.end() } == "cancelled")
    let alive = Counter()
    do {
      let tracked = Tracked(alive)
      _ = try engine.every(.seconds(600)) { _ in _ = tracked }
    }
    #expect(await eventually { alive.value == 0 })
    let stopped = try engine.every(.seconds(600)) { _ in }
    try await engine.shutdown()
    #expect(
      await errorKind { () async throws(EngineError) in try await stopped.end() } == "shutdown")
  }

  @Test("As a sequence, for any task")
  func sequence() async throws {
    let engine = try Engine()
    let begin = ContinuousClock.now
    var numbers: [Int] = []
    for try await tick in try engine.ticks(every: .milliseconds(3)) {
      numbers.append(tick.number - tick.missed)
      if numbers.count == 3 { break }
    }
    #expect(ContinuousClock.now - begin >= .milliseconds(9))
    #expect(numbers.first == 0 && numbers == numbers.sorted())
  }

  @Test("An interval that is not above zero is refused", arguments: [0, -1])
  func misuse(seconds: Int) async throws {
    let engine = try Engine()
    #expect(
      errorKind { () throws(EngineError) in _ = try engine.ticks(every: .seconds(seconds)) }
        == "invalidArgument")
    #expect(
      errorKind { () throws(EngineError) in _ = try engine.every(.seconds(seconds)) { _ in } }
        == "invalidArgument")
  }
}
