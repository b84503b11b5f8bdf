import CTestSupport
import Outboard
import Testing

@Suite("The end of an engine", .timeLimit(.minutes(1)))
struct LifetimeTests {
  private func named(_ name: String) throws -> Engine {
    var configuration = Engine.Configuration()
    configuration.name = name
    return try Engine(configuration)
  }

  @Test("Dropping the last reference stops the engine and frees everything")
  func dropped() async throws {
    weak var executor: LoopExecutor?
    do {
      let engine = try named("ob-dropped")
      executor = engine.executor
      #expect(try await engine.call { 1 } == 1)
    }
    #expect(await eventually { executor == nil && threadCount("ob-dropped") == 0 })
  }

  @Test("The last reference may go on the loop thread")
  func onLoop() async throws {
    for turn in 0..<20 {
      weak var executor: LoopExecutor?
      let gate = Gate()
      do {
        let engine = try named("ob-drop-loop")
        executor = engine.executor
        if turn % 2 == 0 {
          try engine.post {
            gate.pass()
            _ = engine.isOnLoop
          }
        } else {
          _ = try engine.submit {
            await Task.yield()
            gate.pass()
            _ = engine.isOnLoop
          }
        }
      }
      gate.open()
      #expect(await eventually { executor == nil })
    }
    #expect(await eventually { threadCount("ob-drop-loop") == 0 })
  }

  @Test("The last reference may go on a pool thread")
  func onPool() async throws {
    weak var executor: LoopExecutor?
    let gate = Gate()
    do {
      let engine = try named("ob-drop-pool")
      executor = engine.executor
      let task = Task {
        try await engine.offload {
          gate.pass()
          _ = engine.isOnLoop
        }
      }
      gate.open()
      try await task.value
    }
    #expect(await eventually { executor == nil && threadCount("ob-drop-pool") == 0 })
  }

  @Test("Dropping an engine does not wait for what runs")
  func notWaiting() async throws {
    let (gate, held) = (Gate(), Counter())
    var engine: Engine? = try named("ob-drop-busy")
    weak let executor = engine?.executor
    try engine?.post {
      held.add()
      gate.pass()
    }
    #expect(await eventually { held.value == 1 })
    engine = nil  // would hang here
    #expect(threadCount("ob-drop-busy") == 1)
    gate.open()
    #expect(await eventually { executor == nil && threadCount("ob-drop-busy") == 0 })
  }

  @Test("Tasks that prefer the loop may outlive the engine")
  func tasksOutlive() async throws {
    let (started, waiting) = (Counter(), Recorder<CheckedContinuation<Void, Never>>())
    weak var executor: LoopExecutor?
    let tasks: [Task<Int, Never>]
    do {
      let engine = try named("ob-outlive")
      executor = engine.executor
      tasks = (0..<10).map { number in
        Task(executorPreference: engine.executor) {
          await withCheckedContinuation {
            waiting.add($0)
            started.add()
          }
          await Task.yield()
          try? await Task.sleep(for: .milliseconds(number))
          return number
        }
      }
      #expect(await eventually { started.value == 10 })
    }
    #expect(await eventually { threadCount("ob-outlive") == 0 })
    for continuation in waiting.all { continuation.resume() }
    var sum = 0
    for task in tasks { sum += await task.value }
    #expect(sum == 45)
    #expect(await eventually { executor == nil })
  }

  @Test("Many engines come and go")
  func churn() async throws {
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<60 {
        group.addTask {
          do {
            let engine = try named("ob-churn")
            #expect(try await engine.call { number } == number)
            if number % 3 == 0 { try await engine.shutdown() }
            if number % 3 == 1 { _ = try await engine.offload { 1 } }
          } catch {
            Issue.record(error)
          }
        }
      }
    }
    #expect(await eventually { threadCount("ob-churn") == 0 })
  }
}
