import Testing

@testable import Outboard

@Suite("gather", .timeLimit(.minutes(1)))
struct GatherTests {
  let time = ManualTime()

  @Test("Results come in the order of the inputs, whatever ends first")
  func order() async throws {
    let time = time
    let task = Task {
      try await gather([3, 1, 2]) { number in
        try await time.source.sleep(UInt64(number))
        return number * 10
      }
    }
    #expect(await eventually { time.sleeping == 3 })
    for _ in 1...3 { time.advance(by: .nanoseconds(1)) }
    #expect(try await task.value == [30, 10, 20])
    #expect(try await gather([{ "a" }, { "b" }]) == ["a", "b"])
    #expect(try await gather([Int]()) { $0 } == [])
  }

  @Test("Fail-fast: the first error as it is; the others are cancelled and awaited")
  func failFast() async throws {
    let (time, ended, started) = (time, Counter(), Counter())
    let task = Task {
      try await gather(0..<4, limit: 3) { number in
        started.add()
        defer { ended.add() }
        if number == 1 { throw Fault(code: 1) }
        do { try await time.source.sleep(1) } catch { throw Fault(code: 2) }
      }
    }
    await #expect(throws: Fault(code: 1)) { try await task.value }
    #expect(ended.value == started.value)
    #expect(started.value < 4, "after a failure nothing more is started")
  }

  @Test("Collect-all: a failure neither cancels nor hides the others")
  func collectAll() async throws {
    let time = time
    let task = Task {
      try await gatherAll(0..<4) { number in
        try await time.source.sleep(number == 2 ? 5 : 10)
        if number % 2 == 0 { throw Fault(code: number) }
        return number
      }
    }
    #expect(await eventually { time.sleeping == 4 })
    time.advance(by: .nanoseconds(5))
    #expect(time.sleeping == 3)
    time.advance(by: .nanoseconds(5))
    let outcomes = try await task.value
    #expect(outcomes.map { try? $0.get() } == [nil, 1, nil, 3])
    #expect(outcomes.values == [1, 3])
    #expect(Set(outcomes.failures.map(\.index)) == [0, 2])
    #expect(outcomes.failures.allSatisfy { $0.error as? Fault == Fault(code: $0.index) })
    #expect(throws: GatherError.self) { try outcomes.get() }
    #expect(try await gatherAll([{ 1 }, { 2 }]).get() == [1, 2])
  }

  @Test("The failure that happened first is raised, with the others attached in their order")
  func attached() throws {
    var collector = OutcomeCollector<Int>(4)
    collector.add(.failure(Fault(code: 2)), at: 2)
    collector.add(.success(5), at: 1)
    collector.add(.failure(Fault(code: 3)), at: 3)
    collector.add(.failure(Fault(code: 0)), at: 0)
    let error = #expect(throws: GatherError.self) { try collector.all.get() }
    #expect(error?.first.error as? Fault == Fault(code: 2))
    #expect(error?.others.map(\.index) == [3, 0])
    #expect(
      error?.description.contains("operation 2: Fault(code: 2) (and 2 more: operation 3") == true)
    collector = OutcomeCollector(1)
    collector.add(.failure(Fault(code: 7)), at: 0)
    let alone = #expect(throws: GatherError.self) { try collector.all.get() }
    #expect(alone?.description == "operation 0: Fault(code: 7)")
  }

  @Test("No more than the limit run at once, and that many do", arguments: [1, 3, 50])
  func limit(_ limit: Int) async throws {
    let (time, running, most) = (time, Counter(), Recorder<Int>())
    let task = Task {
      try await gather(0..<20, limit: limit) { _ in
        most.add(running.add())
        try await time.source.sleep(1)
        running.add(-1)
      }
    }
    var left = 20
    while left > 0 {
      let batch = min(limit, left)
      #expect(await eventually { time.sleeping == batch })
      time.advance(by: .nanoseconds(1))
      left -= batch
    }
    _ = try await task.value
    #expect(most.all.max() == min(limit, 20))
  }

  @Test("Cancelling the caller: what runs is cancelled, what has not started does not")
  func cancelled() async throws {
    let (time, started) = (time, Counter())
    let all = Task {
      try await gatherAll(0..<5, limit: 2) { number in
        started.add()
        do { try await time.source.sleep(1) } catch { throw Fault(code: number) }
      }
    }
    #expect(await eventually { time.sleeping == 2 })
    all.cancel()
    let outcomes = try await all.value
    #expect(started.value == 2)
    #expect(outcomes.count == 5)
    #expect(outcomes.failures.filter { $0.error is Fault }.count == 2)
    #expect(outcomes.failures.filter { ($0.error as? EngineError)?.kind == "cancelled" }.count == 3)
    let fast = Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      return try await gather(0..<5) { _ in started.add() }
    }
    let error = await #expect(throws: EngineError.self) { try await fast.value }
    #expect(error?.kind == "cancelled")
    #expect(started.value == 2)
  }

  @Test("A limit that lets nothing run is refused")
  func misuse() async {
    for limit in [0, -1] {
      let kinds = [
        (await #expect(throws: EngineError.self) { try await gather([1], limit: limit) { $0 } }),
        (await #expect(throws: EngineError.self) { try await gatherAll([1], limit: limit) { $0 } }),
      ]
      #expect(kinds.map { $0?.kind } == ["invalidArgument", "invalidArgument"])
      #expect(kinds.allSatisfy { $0?.description.contains("\(limit)") == true })
    }
  }

  @Test("Real requests at once: the server answers none before it has heard from all")
  func real() async throws {
    let engine = try Engine()
    let heard = Counter()
    let server = LoopbackServer { connection, _ in
      guard let line = readLine(from: connection) else { return }
      heard.add()
      guard eventuallyBlocking({ heard.value == 4 }) else { return }
      try? sendLine("answer to \(line)", to: connection)
    }
    let answers = try await engine.call(deadline: .seconds(50)) {
      try await gather(0..<4) { number in
        try await engine.offload {
          let client = try LineClient(port: server.port)
          defer { client.close() }
          return try client.ask("\(number)")
        }
      }
    }
    #expect(answers == (0..<4).map { "answer to \($0)" })
    server.stop()
  }
}
