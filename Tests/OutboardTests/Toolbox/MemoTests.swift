import CTestSupport
import Testing

@testable import Outboard

@Suite("Memo", .timeLimit(.minutes(1)))
struct MemoTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  /// Returns when the memo's probe runs and so many tasks wait for it.
  private func share<R: Sendable>(
    _ memo: Memo<R>, _ count: Int, _ running: Counter
  ) async -> [Task<R, any Error>] {
    let engine = engine
    let first = Task { try await memo.value(on: engine) }
    #expect(await eventually { running.value == 1 })
    let others = (1..<count).map { _ in Task { try await memo.value(on: engine) } }
    #expect(await eventually { memo.waiting == count })
    return [first] + others
  }

  @Test("The first pays for the hop, those beside it share, later ones do not even suspend")
  func shared() async throws {
    let (gate, runs) = (Gate(), Counter())
    let loop = try await engine.loopThreadID
    let memo = Memo { () -> Int64 in
      runs.add()
      gate.pass()
      return threadID
    }
    #expect(memo.kept == nil)
    let tasks = await share(memo, 5, runs)
    gate.open()
    let threads = try await gather(tasks) { try await $0.value }
    #expect(Set(threads).count == 1)
    #expect(threads[0] != loop)
    #expect(memo.kept == threads[0])
    let before = try engine.statistics().submitted
    #expect(try await memo.value(on: engine) == threads[0])
    #expect(try await HostThread.run { try memo.valueAndWait() } == threads[0])
    #expect(try engine.statistics().submitted == before)
    #expect(runs.value == 1)
  }

  @Test("Values and failures are kept as long as asked for, on the clock")
  func retention() async throws {
    let (time, runs) = (ManualTime(), Counter())
    let memo = Memo<Int>(.for(.seconds(10)), .for(.seconds(2)), time.source) {
      let run = runs.add()
      if run == 1 { throw Fault(code: 1) }
      return run
    }
    for _ in 1...3 {
      await #expect(throws: Fault(code: 1)) { try await memo.value(on: engine) }
    }
    #expect(runs.value == 1)
    #expect(memo.kept == nil)
    time.advance(by: .seconds(2))
    for _ in 1...3 { #expect(try await memo.value(on: engine) == 2) }
    time.advance(by: .nanoseconds(9_999_999_999))
    #expect(memo.kept == 2)
    time.advance(by: .nanoseconds(1))
    #expect(memo.kept == nil)
    #expect(try await memo.value(on: engine) == 3)
  }

  @Test("Failures are shared, and not kept unless asked for; nor is what is kept for no time")
  func notKept() async throws {
    let (gate, runs, engine) = (Gate(), Counter(), engine)
    let memo = Memo { () -> Int in
      runs.add()
      gate.pass()
      throw Fault(code: 4)
    }
    let tasks = await share(memo, 3, runs)
    gate.open()
    for task in tasks { await #expect(throws: Fault(code: 4)) { try await task.value } }
    gate.open()
    await #expect(throws: Fault(code: 4)) { try await memo.value(on: engine) }
    #expect(runs.value == 2)
    for retention in [MemoRetention.none, .for(.zero), .for(.seconds(-1))] {
      let calls = Counter()
      let memo = Memo(keeping: retention) { calls.add() }
      _ = try await memo.value(on: engine)
      _ = try await memo.value(on: engine)
      #expect(calls.value == 2)
    }
  }

  @Test("A waiter that is cancelled leaves, and the others have their answer")
  func oneLeaves() async throws {
    let (gate, runs, cancelled) = (Gate(), Counter(), Counter())
    let memo = Memo {
      runs.add()
      gate.pass()
      if Engine.isCallCancelled { cancelled.add() }
      return 5
    }
    let tasks = await share(memo, 3, runs)
    tasks[0].cancel()
    let error = await #expect(throws: EngineError.self) { try await tasks[0].value }
    #expect(error?.kind == "cancelled")
    gate.open()
    #expect(try await tasks[1].value == 5)
    #expect(try await tasks[2].value == 5)
    #expect(cancelled.value == 0)
    #expect(runs.value == 1)
  }

  @Test("The last to leave cancels the function; who comes then has it run again, not beside it")
  func allLeave() async throws {
    let (gate, runs, running, engine) = (Gate(), Counter(), Counter(), engine)
    let memo = Memo { () -> Int in
      let run = runs.add()
      #expect(running.add() == 1, "never twice at once")
      defer { running.add(-1) }
      guard run == 1 else { return run }
      #expect(eventuallyBlocking { Engine.isCallCancelled })
      gate.pass()
      throw CancellationError()
    }
    let tasks = await share(memo, 2, runs)
    for task in tasks { task.cancel() }
    for task in tasks { _ = await task.result }
    let late = Task { try await memo.value(on: engine) }
    #expect(await eventually { memo.waiting == 1 })
    #expect(runs.value == 1)
    gate.open()
    #expect(try await late.value == 2)
  }

  @Test("A function that succeeds although it was cancelled is not run again")
  func successAfterAll() async throws {
    let (gate, runs, engine) = (Gate(), Counter(), engine)
    let memo = Memo {
      gate.pass()
      return runs.add()
    }
    let first = Task { try await memo.value(on: engine) }
    #expect(await eventually { memo.waiting == 1 })
    first.cancel()
    _ = await first.result
    let late = Task { try await memo.value(on: engine) }
    #expect(await eventually { memo.waiting == 1 })
    gate.open()
    #expect(try await late.value == 1)
  }

  @Test("What is forgotten while it is found out is told, and not kept")
  func forgotten() async throws {
    let (gate, runs, engine) = (Gate(), Counter(), engine)
    let memo = Memo {
      let run = runs.add()
      gate.pass()
      return run
    }
    let task = Task { try await memo.value(on: engine) }
    #expect(await eventually { runs.value == 1 })
    memo.forget()
    gate.open()
    #expect(try await task.value == 1)
    #expect(memo.kept == nil)
    gate.open()
    #expect(try await memo.value(on: engine) == 2)
    memo.forget()
    #expect(memo.kept == nil)
  }

  @Test("A pool that refuses: the one who asked is told, the others ask their own")
  func refused() async throws {
    let stopped = try Engine()
    try await stopped.shutdown()
    let memo = Memo { 9 }
    let error = await #expect(throws: EngineError.self) { try await memo.value(on: stopped) }
    #expect(error?.kind == "shutdown")
    #expect(try await memo.value(on: engine) == 9)
    var state = MemoState<Int>(keeping: .forever, keepingFailures: .forever)
    guard case .launch(let flight) = state.join(1, now: 0) else {
      Issue.record("not launched")
      return
    }
    _ = state.join(2, now: 0)
    let told = state.close(flight, .queueFull)
    #expect(told.map(\.0) == [1, 2])
    if case .answer(.failure) = told[0].1, case .again = told[1].1 {
    } else {
      Issue.record("\(told)")
    }
    #expect(state.answer(now: 0) == nil, "that says nothing about the function")
  }

  // MARK: Without a loop

  @Test("Threads share too; the function runs on one of them")
  func threads() async throws {
    let (runs, values) = (Counter(), Recorder<Int>())
    let memo = Memo {
      pause(milliseconds: 5)
      return runs.add()
    }
    try await HostThread.run {
      HostThread.race(8) { _ in
        if let value = try? memo.valueAndWait() { values.add(value) }
      }
    }
    #expect(values.all == Array(repeating: 1, count: 8))
  }

  @Test("A pool thread that wants a value whose turn on the pool never comes runs it itself")
  func noStarvation() async throws {
    var configuration = Engine.Configuration()
    configuration.offload.threads = 1
    configuration.offload.hardLimit = 1
    let engine = try Engine(configuration)
    let (runs, held, holding) = (Counter(), Counter(), Gate())
    let memo = Memo { runs.add() }
    let pool = Task {
      try await engine.offload {
        held.add()
        holding.pass()
        return try memo.valueAndWait()
      }
    }
    #expect(await eventually { held.value == 1 })  // the pool's one thread is taken
    let waiter = Task { try await memo.value(on: engine) }
    #expect(await eventually { memo.waiting == 1 && (try? engine.statistics().inFlight) == 2 })
    holding.open()
    #expect(try await pool.value == 1)
    #expect(try await waiter.value == 1)
  }

  @Test("Misuse is refused before anything runs: on a loop, and inside the function itself")
  func deadlocks() async throws {
    let (runs, engine) = (Counter(), engine)
    let memo = Memo { runs.add() }
    let ask: @Sendable () throws -> Int = { try memo.valueAndWait() }
    let onLoop = await #expect(throws: EngineError.self) {
      do { return try await engine.call(ask) } catch EngineError.body(let error) { throw error }
    }
    #expect(onLoop?.kind == "deadlock")
    #expect(runs.value == 0)
    #expect(try await memo.value(on: engine) == 1)
    #expect(try await engine.call(ask) == 1, "what is kept may be had anywhere")
    let itself = Itself()
    let recursive = Memo { try itself.memo?.valueAndWait() ?? 0 }
    itself.memo = recursive
    let inside = await #expect(throws: EngineError.self) {
      try await HostThread.run { try recursive.valueAndWait() }
    }
    #expect(inside?.kind == "deadlock")
  }

  /// Where a function finds its own memo.
  private final class Itself: @unchecked Sendable {
    // Set before the function runs.
    weak var memo: Memo<Int>?
  }

  @Test("A thread stops waiting at its deadline; the function goes on for the others")
  func deadline() async throws {
    let (gate, runs) = (Gate(), Counter())
    let memo = Memo {
      runs.add()
      gate.pass()
      return 3
    }
    let tasks = await share(memo, 1, runs)
    let error = await #expect(throws: EngineError.self) {
      try await HostThread.run { try memo.valueAndWait(deadline: .milliseconds(10)) }
    }
    #expect(error?.kind == "timedOut")
    gate.open()
    #expect(try await tasks[0].value == 3)
  }

  // MARK: At random

  @Test("Whatever the order, each waiter is told once, and one probe runs at a time")
  func property() {
    for seed: UInt64 in 1...200 {
      var model = MemoModel(seed)
      model.run()
    }
  }

  @Test("A storm of tasks and threads, cancelled at any moment: a real server is asked one by one")
  func storm() async throws {
    let (asked, open, most, engine) = (Counter(), Counter(), Recorder<Int>(), engine)
    let server = LoopbackServer { connection, _ in
      most.add(open.add())
      asked.add()
      if let line = readLine(from: connection) { try? sendLine(line, to: connection) }
      open.add(-1)
    }
    let memo = Memo(keeping: .none) {
      let client = try LineClient(port: server.port)
      defer { client.close() }
      let answer = try client.ask("version?")
      _ = readLine(from: client.descriptor)  // until the server is through with it
      return answer
    }
    let ended = Counter()
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<300 {
        group.addTask {
          let task = Task { try await memo.value(on: engine) }
          if number % 4 == 0 { await Task.yield() }
          if number % 2 == 0 { task.cancel() }
          switch await task.result {
          case .success(let answer): #expect(answer == "version?")
          case .failure(let error): #expect((error as? EngineError)?.kind == "cancelled")
          }
          ended.add()
        }
      }
      group.addTask {
        _ = try? await HostThread.run {
          HostThread.race(4) { _ in
            for _ in 0..<10 { #expect((try? memo.valueAndWait()) == "version?") }
          }
        }
      }
    }
    #expect(ended.value == 300)
    #expect(memo.waiting == 0)
    server.stop()
    #expect(most.all.max() == 1)
  }
}
