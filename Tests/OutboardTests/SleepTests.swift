import Outboard
import Testing

@Suite("Sleeping on the loop's timers", .timeLimit(.minutes(1)))
struct SleepTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  @Test("Never shorter than asked for, on every clock")
  func length() async throws {
    let engine = engine
    try await engine.call {
      let clock = ContinuousClock()
      for milliseconds in [0, 1, 2, 7, 20] {
        let time = Duration.milliseconds(milliseconds)
        #expect(try await clock.measure { try await Task.sleep(for: time) } >= time)
        #expect(try await clock.measure { try await engine.sleep(for: time) } >= time)
        #expect(
          try await clock.measure {
            try await Task.sleep(until: .now + time, clock: .suspending)
          } >= time)
      }
      try await Task.sleep(for: .seconds(-1))
      try await engine.sleep(for: .seconds(-1))
    }
  }

  @Test("Two sleeps at once take as long as the longer one")
  func together() async throws {
    let engine = engine
    let order = Recorder<String>()
    try await engine.call {
      async let long: Void = {
        try await Task.sleep(for: .milliseconds(300))
        order.add("long")
      }()
      async let short: Void = {
        try await Task.sleep(for: .milliseconds(20))
        order.add("short")
      }()
      order.add("both sleep")
      _ = try await (long, short)
    }
    #expect(order.all == ["both sleep", "short", "long"])
  }

  @Test("Thousands of sleeps, woken in order of their time")
  func many() async throws {
    let engine = engine
    let (order, late) = (Recorder<Int>(), Counter())
    let begin = ContinuousClock.now
    try await engine.call {
      await withTaskGroup(of: Void.self) { group in
        for number in 0..<2_000 {
          let due = begin + .milliseconds(1_000 + number % 10 * 100)
          group.addTask {
            if ContinuousClock.now > begin + .milliseconds(500) { late.add() }
            #if OUTBOARD_NO_SPI
              try? await engine.sleep(for: ContinuousClock.now.duration(to: due))
            #else
              try? await Task.sleep(until: due, clock: .continuous)
            #endif
            order.add(number % 10)
          }
        }
      }
    }
    #expect(order.count == 2_000)
    // On a machine so slow that some were due before all were armed the order says nothing.
    let inOrder = order.all == order.all.sorted()
    #expect(inOrder || late.value > 0)
  }

  @Test("A cancelled sleep ends at once", arguments: [false, true])
  func cancelled(ours: Bool) async throws {
    let engine = engine
    let started = Counter()
    let task = Task(executorPreference: engine.executor) {
      started.add()
      if ours {
        try await engine.sleep(for: .seconds(600))
      } else {
        try await Task.sleep(for: .seconds(600))
      }
    }
    #expect(await eventually { started.value == 1 })
    task.cancel()
    let error = await #expect(throws: (any Error).self) { try await task.value }
    if ours {
      #expect((error as? EngineError)?.kind == "cancelled")
    } else {
      #expect(error is CancellationError)
    }
  }

  @Test("Sleeps that are cancelled at any moment end once")
  func storm() async throws {
    let engine = engine
    let ended = Counter()
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<1_000 {
        group.addTask {
          let task = Task {
            try await engine.sleep(for: .microseconds(number * 3))
          }
          if number % 2 == 0 { try? await Task.sleep(for: .microseconds(number)) }
          task.cancel()
          _ = await task.result
          ended.add()
        }
      }
    }
    #expect(ended.value == 1_000)
  }

  @Test("Tasks elsewhere sleep on the loop's timers and stay where they are")
  func elsewhere() async throws {
    let engine = engine
    let loop = try await engine.loopThreadID
    try await engine.sleep(for: .milliseconds(2))
    #expect(threadID != loop)
  }

  @Test("A timeout made of a sleep and a group")
  func timeout() async throws {
    let engine = engine
    let winner = try await engine.call {
      try await withThrowingTaskGroup(of: String.self) { group in
        group.addTask {
          try await Task.sleep(for: .seconds(600))
          return "work"
        }
        group.addTask {
          try await Task.sleep(for: .milliseconds(5))
          return "timeout"
        }
        defer { group.cancelAll() }
        return try await group.next() ?? ""
      }
    }
    #expect(winner == "timeout")
  }
}
