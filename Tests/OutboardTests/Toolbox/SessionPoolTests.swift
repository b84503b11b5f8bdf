import Testing

@testable import Outboard

@Suite("SessionPool", .timeLimit(.minutes(1)))
struct SessionPoolTests {
  let engine: Engine
  let time = ManualTime()
  let source = FakeSource()

  init() throws { engine = try Engine() }

  private func pool(_ options: SessionPoolOptions, _ source: FakeSource? = nil) throws
    -> SessionPool<FakeSource>
  {
    try SessionPool(engine, source ?? self.source, options, time.source)
  }

  /// Takes a session until the gate opens; returns once it is taken.
  private func hold(_ pool: SessionPool<FakeSource>, _ time: ManualTime) async -> Task<
    Int, any Error
  > {
    let (taken, time) = (Counter(), time.source)
    let task = Task {
      try await pool.withSession { session in
        taken.add()
        try? await time.sleep(.max / 8)  // until it is cancelled
        return session
      }
    }
    #expect(await eventually { taken.value == 1 })
    return task
  }

  @Test("A session is connected once, checked before it is used again, and kept")
  func reuse() async throws {
    let pool = try pool(SessionPoolOptions(limit: 2))
    for _ in 1...3 { #expect(try await pool.withSession { $0 } == 1) }
    #expect(source.log.all == ["connect 1", "check 1", "check 1"])
    #expect(pool.statistics == SessionPoolStatistics(idle: 1, taken: 0, waiting: 0))
  }

  @Test("A session is trusted for a while, unless its call threw")
  func trusted() async throws {
    var options = SessionPoolOptions(limit: 1)
    options.trustedFor = .seconds(1)
    options.idleTimeout = nil
    let pool = try pool(options)
    for _ in 1...2 { _ = try await pool.withSession { $0 } }
    #expect(source.log.all == ["connect 1"])
    await #expect(throws: Fault(code: 9)) {
      try await pool.withSession { _ in throw Fault(code: 9) }
    }
    _ = try await pool.withSession { $0 }
    #expect(source.log.all == ["connect 1", "check 1"])
    time.advance(by: .seconds(1))
    _ = try await pool.withSession { $0 }
    #expect(source.log.all == ["connect 1", "check 1", "check 1"])
  }

  @Test("One that is not healthy is disconnected, and only then replaced", arguments: [-1, -2])
  func unhealthy(_ health: Int) async throws {
    let pool = try pool(SessionPoolOptions(limit: 1))
    _ = try await pool.withSession { $0 }
    source.healthy.add(health)
    #expect(try await pool.withSession { $0 } == 2)
    let event = health == -1 ? "unhealthy" : "unhealthy: Fault(code: 1)"
    #expect(source.log.all == ["connect 1", "check 1", event, "disconnect 1", "connect 2"])
  }

  @Test("A call whose session had died is made once more on a fresh one; a second death is told")
  func reconnects() async throws {
    let pool = try pool(SessionPoolOptions(limit: 1))
    let answer = try await pool.withSession { session in
      if session == 1 { throw Fault(code: 410) }
      return session
    }
    #expect(answer == 2)
    #expect(
      source.log.all
        == ["connect 1", "reconnecting: Fault(code: 410)", "disconnect 1", "connect 2"])
    let calls = Counter()
    await #expect(throws: Fault(code: 410)) {
      try await pool.withSession { _ in
        calls.add()
        throw Fault(code: 410)
      }
    }
    #expect(calls.value == 2)
    #expect(await eventually { pool.statistics.taken == 0 })
    #expect(source.connected.value == 3)
  }

  @Test("Disconnect errors are reported, never raised; the call does not wait for them")
  func disconnectErrors() async throws {
    var source = source
    let gate = Counter()
    source.leaving = {
      #expect(await eventually { gate.value == 1 })
      throw Fault(code: 55)
    }
    let pool = try pool(SessionPoolOptions(limit: 1), source)
    await #expect(throws: Fault(code: 400)) {
      try await pool.withSession { _ in throw Fault(code: 400) }
    }
    #expect(pool.statistics.taken == 1, "its place is taken until it is disconnected")
    gate.add()
    #expect(try await pool.withSession { $0 } == 2)
    #expect(
      source.log.all == ["connect 1", "disconnect failed: Fault(code: 55)", "connect 2"])
  }

  @Test("A disconnect that hangs is cancelled at its deadline")
  func disconnectHangs() async throws {
    var source = source
    let time = time
    source.leaving = { try await time.source.sleep(.max / 8) }
    var options = SessionPoolOptions(limit: 1)
    options.idleTimeout = nil
    let pool = try pool(options, source)
    _ = try? await pool.withSession { _ in throw Fault(code: 400) }
    #expect(await eventually { time.sleeping == 2 })
    time.advance(by: .seconds(5))
    #expect(await eventually { pool.statistics.taken == 0 })
    #expect(source.log.all.last?.contains("the deadline expired") == true)
  }

  @Test("After a cancelled call nothing is known of the session: it is discarded")
  func cancelledCall() async throws {
    struct Plain: SessionSource {
      let gone = Counter()
      func connect() async throws -> Int { 1 }
      func disconnect(_ session: Int) async throws {
        #expect(!Task.isCancelled, "cleaning up is not cancelled along with the call")
        gone.add()
      }
    }
    let source = Plain()
    let pool = try SessionPool(on: engine, source)
    let (time, taken) = (time, Counter())
    let task = Task {
      try await pool.withSession { _ in
        taken.add()
        try await time.source.sleep(.max / 8)
      }
    }
    #expect(await eventually { taken.value == 1 && time.sleeping == 1 })
    task.cancel()
    let error = await #expect(throws: EngineError.self) { try await task.value }
    #expect(error?.kind == "cancelled")
    #expect(await eventually { source.gone.value == 1 && pool.statistics.taken == 0 })
    #expect(source.fate(after: EngineError.body(EngineError.timedOut(nil))) == .discard)
    #expect(source.fate(after: Fault()) == .keep)
  }

  @Test("A place whose connect fails is free again")
  func connectFails() async throws {
    let pool = try pool(SessionPoolOptions(limit: 1))
    source.refuses.add()
    for _ in 1...2 {
      await #expect(throws: Fault(code: 503)) { try await pool.withSession { $0 } }
    }
    source.refuses.add(-1)
    #expect(try await pool.withSession { $0 } == 1)
  }

  // MARK: Waiting

  @Test("Those who wait are served in the order in which they came")
  func fair() async throws {
    let (pool, order) = (try pool(SessionPoolOptions(limit: 1)), Recorder<Int>())
    let holder = await hold(pool, time)
    var waiters: [Task<Void, any Error>] = []
    for number in 0..<10 {
      waiters.append(Task { try await pool.withSession { _ in order.add(number) } })
      #expect(await eventually { pool.statistics.waiting == number + 1 })
    }
    waiters[4].cancel()
    #expect(await eventually { pool.statistics.waiting == 9 })
    holder.cancel()
    for (number, waiter) in waiters.enumerated() where number != 4 { try await waiter.value }
    let error = await #expect(throws: EngineError.self) { try await waiters[4].value }
    #expect(error?.kind == "cancelled")
    #expect(order.all == [0, 1, 2, 3, 5, 6, 7, 8, 9])
  }

  @Test("Who waits leaves at its deadline, the pool's or its own; more than may wait are refused")
  func bounds() async throws {
    var options = SessionPoolOptions(limit: 1)
    options.waiterLimit = 2
    options.acquireDeadline = .seconds(10)
    let (pool, time) = (try pool(options), time)
    let holder = await hold(pool, time)
    let patient = Task { try await pool.withSession { $0 } }
    let hasty = Task { try await pool.withSession(deadline: .seconds(3)) { $0 } }
    #expect(await eventually { pool.statistics.waiting == 2 && time.sleeping == 3 })
    let full = await #expect(throws: EngineError.self) { try await pool.withSession { $0 } }
    #expect(full?.kind == "queueFull")
    time.advance(by: .seconds(3))
    let first = await #expect(throws: EngineError.self) { try await hasty.value }
    #expect(first?.kind == "timedOut")
    #expect(pool.statistics.waiting == 1)
    time.advance(by: .seconds(7))
    let second = await #expect(throws: EngineError.self) { try await patient.value }
    #expect(second?.kind == "timedOut")
    let expired = await #expect(throws: EngineError.self) {
      try await pool.withSession(deadline: .after(.zero)) { $0 }
    }
    #expect(expired?.kind == "timedOut")
    holder.cancel()
    #expect(try await holder.value == 1)
    #expect(try await pool.withSession { $0 } == 1)
  }

  @Test("Idle sessions go after their time, and not before")
  func idle() async throws {
    var options = SessionPoolOptions(limit: 2)
    options.idleTimeout = .seconds(60)
    let (pool, time) = (try pool(options), time)
    _ = try await pool.withSession { _ in try await pool.withSession { $0 } }
    #expect(pool.statistics.idle == 2)
    #expect(await eventually { time.sleeping == 1 })
    time.advance(by: .seconds(59))
    #expect(pool.statistics.idle == 2)
    time.advance(by: .seconds(1))
    #expect(await eventually { pool.statistics == .init(idle: 0, taken: 0, waiting: 0) })
    #expect(time.sleeping == 0)
    #expect(try await pool.withSession { $0 } == 3)
  }

  // MARK: The end

  @Test("The end: who waits is refused, idle ones go, and leases that are out are waited for")
  func shutdown() async throws {
    let (pool, time) = (try pool(SessionPoolOptions(limit: 2)), time)
    _ = try await pool.withSession { _ in try await pool.withSession { $0 } }
    let (one, two) = (await hold(pool, time), await hold(pool, time))
    let waiter = Task { try await pool.withSession { $0 } }
    #expect(await eventually { pool.statistics.waiting == 1 })
    let end = Task { try await pool.shutdown(deadline: .seconds(5)) }
    let refused = await #expect(throws: EngineError.self) { try await waiter.value }
    #expect(refused?.kind == "shutdown")
    let late = await #expect(throws: EngineError.self) { try await pool.withSession { $0 } }
    #expect(late?.kind == "shutdown")
    one.cancel()
    _ = try await one.value
    #expect(await eventually { pool.statistics.taken == 1 && time.sleeping >= 2 })
    time.advance(by: .seconds(5))
    let slow = await #expect(throws: EngineError.self) { try await end.value }
    #expect(slow?.description.contains("1 sessions are in use") == true)
    let again = Task { try await pool.shutdown() }
    two.cancel()
    _ = try await two.value
    try await again.value
    #expect(source.log.all.filter { $0.hasPrefix("disconnect") }.count == 2)
    try await pool.shutdown()
    #expect(await eventually { time.sleeping == 0 })
  }

  @Test("A pool that goes disconnects what is idle")
  func dropped() async throws {
    do {
      let pool = try pool(SessionPoolOptions(limit: 1))
      _ = try await pool.withSession { $0 }
    }
    #expect(await eventually { source.log.all.last == "disconnect 1" })
    #expect(await eventually { time.sleeping == 0 })
  }

  @Test("Misuse is refused: options out of range, and waiting for oneself")
  func misuse() async throws {
    var waiters = SessionPoolOptions()
    waiters.waiterLimit = -1
    var idle = SessionPoolOptions()
    idle.idleTimeout = .zero
    let wrong = [("limit is 0", SessionPoolOptions(limit: 0)), ("is -1", waiters), ("idleT", idle)]
    for (text, options) in wrong {
      let error = #expect(throws: EngineError.self) {
        try SessionPool(on: engine, source, options)
      }
      #expect(error?.kind == "invalidArgument")
      #expect(error?.description.contains(text) == true)
    }
    let pool = try pool(SessionPoolOptions(limit: 1))
    let kinds = try await pool.withSession { _ in
      [
        (await #expect(throws: EngineError.self) { try await pool.withSession { $0 } })?.kind,
        (await #expect(throws: EngineError.self) { try await pool.shutdown() })?.kind,
      ]
    }
    #expect(kinds == ["deadlock", "deadlock"])
    try await pool.shutdown()
  }

  @Test("Whatever the order: places, order of arrival, and every session accounted for")
  func property() {
    for seed: UInt64 in 1...200 {
      var model = SessionPoolModel(seed)
      model.run()
    }
  }
}
