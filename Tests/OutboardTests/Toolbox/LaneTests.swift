import CTestSupport
import Testing

@testable import Outboard

@Suite("Lane", .timeLimit(.minutes(1)))
struct LaneTests {
  let time = ManualTime()

  /// Has its turn until it is cancelled; returns once it has it.
  private func hold(_ lane: Lane<String>, _ key: String) async -> Task<Void, any Error> {
    let (taken, time) = (Counter(), time.source)
    let task = Task {
      try await lane.run(key) {
        taken.add()
        try? await time.sleep(.max / 8)
      }
    }
    #expect(await eventually { taken.value == 1 })
    return task
  }

  @Test("Under one key in the order of arrival; who is cancelled leaves it as it is")
  func order() async throws {
    let (lane, order) = (try Lane<String>(), Recorder<Int>())
    let holder = await hold(lane, "a")
    var tasks: [Task<Void, any Error>] = []
    for number in 0..<8 {
      tasks.append(
        Task {
          try await lane.run("a") {
            order.add(number)
            await Task.yield()
            order.add(number)
          }
        })
      #expect(await eventually { lane.waiterCount == number + 1 })
    }
    tasks[3].cancel()
    let error = await #expect(throws: EngineError.self) { try await tasks[3].value }
    #expect(error?.kind == "cancelled")
    holder.cancel()
    for (number, task) in tasks.enumerated() where number != 3 { try await task.value }
    #expect(order.all == [0, 1, 2, 4, 5, 6, 7].flatMap { [$0, $0] })
    #expect(lane.keyCount == 0)
  }

  @Test("Different keys do not wait for each other; values and errors come back; no key stays")
  func keys() async throws {
    let lane = try Lane<String>()
    let holders = [await hold(lane, "a"), await hold(lane, "b")]
    #expect(try await lane.run("c") { 3 } == 3)
    await #expect(throws: Fault(code: 4)) { try await lane.run("c") { throw Fault(code: 4) } }
    #expect(lane.keyCount == 2)
    for holder in holders {
      holder.cancel()
      try await holder.value
    }
    #expect(lane.keyCount == 0)
  }

  @Test("Who waits leaves at its deadline; more than may wait are refused")
  func bounds() async throws {
    let (lane, time, ran) = (try Lane<String>(1, time.source), time, Counter())
    let holder = await hold(lane, "a")
    let waiter = Task { try await lane.run("a", deadline: .seconds(2)) { _ = ran.add() } }
    #expect(await eventually { lane.waiterCount == 1 && time.sleeping == 2 })
    let full = await #expect(throws: EngineError.self) {
      try await lane.run("a") { _ = ran.add() }
    }
    #expect(full?.kind == "queueFull")
    time.advance(by: .seconds(2))
    let late = await #expect(throws: EngineError.self) { try await waiter.value }
    #expect(late?.kind == "timedOut")
    let expired = await #expect(throws: EngineError.self) {
      try await lane.run("free", deadline: .after(.zero)) { _ = ran.add() }
    }
    #expect(expired?.kind == "timedOut")
    holder.cancel()
    try await holder.value
    #expect(ran.value == 0)
    #expect(lane.keyCount == 0)
  }

  @Test("Misuse: waiting for oneself, in a circle of two, and a limit that is none")
  func misuse() async throws {
    let lane = try Lane<String>()
    let own = try await lane.run("a") {
      try await lane.run("b") {
        await #expect(throws: EngineError.self) { try await lane.run("a") {} }
      }
    }
    #expect(own?.kind == "deadlock")
    // One has a and waits for b, the other has b and wants a: the second is refused.
    let (first, second) = (Counter(), Counter())
    let waits = Task {
      try await lane.run("a") {
        first.add()
        #expect(await eventually { second.value == 1 })
        try await lane.run("b") {}
      }
    }
    let refused = Task {
      try await lane.run("b") {
        second.add()
        #expect(await eventually { first.value == 1 && lane.waiterCount == 1 })
        try await lane.run("a") {}
      }
    }
    let circle = await #expect(throws: EngineError.self) { try await refused.value }
    #expect(circle?.kind == "deadlock")
    try await waits.value
    let limit = #expect(throws: EngineError.self) { try Lane<String>(waiterLimit: -1) }
    #expect(limit?.description.contains("-1") == true)
    // What was held is forgotten once it is given back, also by a task that was made meanwhile.
    let (go, later) = (
      Counter(), Recorder<Task<Int, any Error>>()
    )
    try await lane.run("a") {
      later.add(
        Task {
          #expect(await eventually { go.value == 1 })
          return try await lane.run("a") { 1 }
        })
    }
    let holder = await hold(lane, "a")
    go.add()
    #expect(await eventually { lane.waiterCount == 1 })
    holder.cancel()
    #expect(try await later.all[0].value == 1)
  }

  @Test("Whatever the order, a lane is one queue per key")
  func property() {
    for seed: UInt64 in 1...200 {
      var model = LaneModel(seed)
      model.run()
    }
  }

  /// Read, wait, write: what loses updates when two do it at once.
  private func updates(_ run: @escaping @Sendable (Int, () async -> Void) async -> Void)
    async throws
    -> Int
  {
    let engine = try Engine()
    let balances = (0..<3).map { _ in Counter() }
    try await engine.holdUntilQueued(8)
    try await HostThread.run {
      HostThread.race(8) { thread in
        for number in 0..<30 {
          let key = (thread + number) % 3
          try? engine.callAndWait {
            await run(key) {
              let balance = balances[key].value
              await Task.yield()
              balances[key].add(balance + 1 - balances[key].value)
            }
          }
        }
      }
    }
    return balances.map(\.value).reduce(0, +)
  }

  @Test("Threads that read, wait and write lose updates without a lane, and none with it")
  func race() async throws {
    #expect(try await updates { _, update in await update() } < 240)
    let lane = try Lane<Int>()
    #expect(try await updates { key, update in try? await lane.run(key, update) } == 240)
    #expect(lane.keyCount == 0)
  }

  @Test("Lines to a real server, from many threads: each conversation stays whole")
  func server() async throws {
    let (engine, lane, mixed) = (try Engine(), try Lane<Int>(), Counter())
    let server = LoopbackServer { connection, _ in
      while let name = readLine(from: connection) {
        for _ in 1...2 where readLine(from: connection) != name { mixed.add() }
        try? sendLine("done \(name)", to: connection)
      }
    }
    let clients = try (0..<2).map { _ in try LineClient(port: server.port) }
    let done = Counter()
    try await HostThread.run {
      HostThread.race(6) { thread in
        for number in 0..<10 {
          let (key, name) = (number % 2, "\(thread).\(number)")
          let answer = try? engine.callAndWait(deadline: .seconds(50)) {
            try await lane.run(key) {
              for _ in 1...2 {
                try await engine.offload { try sendLine(name, to: clients[key].descriptor) }
              }
              return try await engine.offload { try clients[key].ask(name) }
            }
          }
          if answer == "done \(name)" { done.add() }
        }
      }
    }
    #expect(done.value == 60)
    #expect(mixed.value == 0)
    for client in clients { client.close() }
    server.stop()
  }
}
