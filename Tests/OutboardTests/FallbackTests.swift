import Outboard
import Testing

/// Lives on a loop, and keeps its state whole after the loop has closed.
private actor Survivor {
  private let engine: Engine
  private var inside = 0
  private var count = 0

  init(_ engine: Engine) { self.engine = engine }

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe engine.executor.asUnownedSerialExecutor()
  }

  func bump() -> Int64 {
    inside += 1
    precondition(inside == 1)
    count += 1
    inside -= 1
    return threadID
  }

  var total: Int { count }
}

@Suite("Jobs after the loop has closed", .timeLimit(.minutes(1)))
struct FallbackTests {
  @Test("They run, one at a time, on one thread that is not the loop's")
  func serially() async throws {
    let engine = try Engine()
    let loop = try await engine.loopThreadID
    let (suspended, inside, overlaps) = (Counter(), Counter(), Counter())
    let waiting = Recorder<CheckedContinuation<Void, Never>>()
    let tasks = (0..<50).map { _ in
      Task(executorPreference: engine.executor) {
        await withCheckedContinuation {
          waiting.add($0)
          suspended.add()
        }
        if inside.add() != 1 { overlaps.add() }
        let thread = threadID
        #expect(engine.executor.isIsolatingCurrentContext() == true)
        #expect(!engine.isOnLoop)
        inside.add(-1)
        await Task.yield()
        #expect(threadID == thread)
        return thread
      }
    }
    #expect(await eventually { suspended.value == 50 })
    try await engine.shutdown()
    for continuation in waiting.all { continuation.resume() }
    var threads: Set<Int64> = []
    for task in tasks { threads.insert(await task.value) }
    #expect(threads.count == 1 && !threads.contains(loop))
    #expect(overlaps.value == 0)
  }

  @Test("An actor that lives on the loop goes on")
  func actor() async throws {
    let engine = try Engine()
    let actor = Survivor(engine)
    _ = await actor.bump()
    try await engine.shutdown()
    let threads = await withTaskGroup(of: Int64.self) { group in
      for _ in 0..<100 { group.addTask { await actor.bump() } }
      return await group.reduce(into: Set<Int64>()) { $0.insert($1) }
    }
    #expect(await actor.total == 101)
    #expect(threads.count == 1)
  }

  @Test("A sleep that the stop overtakes still takes its time")
  func sleep() async throws {
    let engine = try Engine()
    let started = Counter()
    let begin = ContinuousClock.now
    let task = Task(executorPreference: engine.executor) {
      started.add()
      try await Task.sleep(for: .milliseconds(120))
      try await Task.sleep(for: .milliseconds(5))
      return ContinuousClock.now - begin
    }
    #expect(await eventually { started.value == 1 })
    try await engine.shutdown()
    #expect(try await task.value >= .milliseconds(125))
  }

  @Test("Our own sleep ends with the loop")
  func engineSleep() async throws {
    let engine = try Engine()
    let started = Counter()
    let task = Task {
      started.add()
      return await errorKind { () async throws(EngineError) in
        try await engine.sleep(for: .seconds(600))
      }
    }
    #expect(await eventually { started.value == 1 })
    // It may not have reached the loop: then it is refused, which is the same.
    try await engine.shutdown()
    #expect(await task.value == "shutdown")
  }

  @Test("Calls in flight between threads while the loop closes: no job is lost")
  func race() async throws {
    for _ in 0..<30 {
      let engine = try Engine()
      let tasks = (0..<20).map { _ in
        Task(executorPreference: engine.executor) {
          var turns = 0
          for _ in 0..<50 {
            await Task.yield()
            turns += 1
          }
          return turns
        }
      }
      try await engine.shutdown()
      for task in tasks { #expect(await task.value == 50) }
    }
  }
}
