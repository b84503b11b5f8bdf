import Outboard
import Testing

@Suite("A full queue", .timeLimit(.minutes(1)))
struct QueueFullTests {
  let engine: Engine
  let gate = Gate()

  init() throws {
    var configuration = Engine.Configuration()
    configuration.queueLimit = 4
    engine = try Engine(configuration)
  }

  /// Holds the loop and fills its queue. Returns how many posts were accepted.
  private func fill(_ ran: Counter) async throws -> Int {
    let (gate, held) = (gate, Counter())
    try engine.post {
      held.add()
      gate.pass()
    }
    #expect(await eventually { held.value == 1 })
    var accepted = 0
    while true {
      do {
        try engine.post { ran.add() }
        accepted += 1
        guard accepted < 100 else { return accepted }
      } catch {
        guard case .queueFull = error else { throw error }
        return accepted
      }
    }
  }

  @Test("The limit is kept, and each kind of call can fail at once")
  func fails() async throws {
    let ran = Counter()
    let accepted = try await fill(ran)
    #expect(accepted >= 1 && accepted <= 4)
    let engine = engine
    let kinds = [
      errorKind { () throws(EngineError) in try engine.submit { ran.add() } },
      errorKind { () throws(EngineError) in try engine.submit { () async in ran.add() } },
      await errorKind { () async throws(EngineError) in
        try await engine.call(whenFull: .fail) { ran.add() }
      },
      try await HostThread.run {
        errorKind { () throws(EngineError) in
          try engine.callAndWait(deadline: .seconds(30), whenFull: .fail) { ran.add() }
        }
      },
    ]
    #expect(kinds == ["queueFull", "queueFull", "queueFull", "queueFull"])
    gate.open()
    try await engine.call {}
    #expect(ran.value == accepted)
  }

  @Test("Awaited calls wait for room without blocking, by the hundred")
  func awaits() async throws {
    let engine = engine
    let ran = Counter()
    let accepted = try await fill(ran)
    let tasks = (0..<300).map { number in
      Task {
        try await engine.call {
          ran.add(); return number
        }
      }
    }
    gate.open()
    var sum = 0
    for task in tasks { sum += try await task.value }
    #expect(sum == 299 * 150)
    #expect(ran.value == accepted + 300)
  }

  @Test("Waiting for room ends with the deadline, and with cancellation")
  func givesUp() async throws {
    let engine = engine
    let ran = Counter()
    let accepted = try await fill(ran)
    let kind = try await HostThread.run {
      errorKind { () throws(EngineError) in
        try engine.callAndWait(deadline: .milliseconds(20)) { ran.add() }
      }
    }
    #expect(kind == "timedOut")
    let task = Task {
      await errorKind { () async throws(EngineError) in
        try await engine.call { ran.add() }
      }
    }
    task.cancel()
    gate.open()
    #expect(await task.value == "cancelled")
    try await engine.call {}
    #expect(ran.value == accepted)
  }

  @Test("Jobs of tasks are exempt")
  func exempt() async throws {
    let engine = engine
    let sum = await withTaskGroup(of: Int.self) { group in
      for number in 0..<500 {
        group.addTask(executorPreference: engine.executor) {
          await Task.yield()
          return number
        }
      }
      return await group.reduce(0, +)
    }
    #expect(sum == 499 * 250)
  }
}
