import Outboard
import Testing

/// An actor that lives on a loop.
private actor Resident {
  private let engine: Engine
  private var count = 0

  init(_ engine: Engine) { self.engine = engine }

  nonisolated var unownedExecutor: UnownedSerialExecutor {
    unsafe engine.executor.asUnownedSerialExecutor()
  }

  func thread() -> Int64 { threadID }

  func bump() -> Int {
    count += 1
    return count
  }

  func bumpAround() async -> Int64 {
    count += 1
    await Task.yield()
    return threadID
  }

  func sleepAround() async throws -> Int64 {
    try await Task.sleep(for: .milliseconds(1))
    count += 1
    return threadID
  }

  var total: Int { count }

  /// Asserts isolation where the compiler does not know of it.
  nonisolated func assumeOnLoop() -> Int { assumeIsolated { $0.count } }
}

/// An actor that lives where its callers do.
private actor Guest {
  func thread() -> Int64 { threadID }
}

@concurrent private func concurrentThread() async -> Int64 { threadID }

private func plainThread() async -> Int64 { threadID }

@Suite("The loop as an executor", .timeLimit(.minutes(1)))
struct ExecutorTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  @Test("Tasks that prefer the loop, their children and what they call run there")
  func preference() async throws {
    let loop = try await engine.loopThreadID
    let seen = Recorder<Int64>()
    try await Task(executorPreference: engine.executor) {
      seen.add(threadID)
      await Task.yield()
      seen.add(threadID)
      async let child = concurrentThread()
      seen.add(await child)
      seen.add(threadID)
      seen.add(await plainThread())
      seen.add(await Guest().thread())
      seen.add(threadID)
      await withTaskGroup(of: Int64.self) { group in
        for _ in 0..<8 {
          group.addTask {
            await Task.yield(); return threadID
          }
        }
        for await thread in group { seen.add(thread) }
      }
      await withCheckedContinuation { $0.resume() }
      seen.add(threadID)
      let gate = AsyncStream<Int>.makeStream()
      gate.continuation.yield(1)
      gate.continuation.finish()
      for await _ in gate.stream { seen.add(threadID) }
      try await Task.sleep(for: .milliseconds(1))
      seen.add(threadID)
    }.value
    #expect(seen.count == 18)
    #expect(Set(seen.all) == [loop])
  }

  @Test("An actor can live on the loop")
  func resident() async throws {
    let loop = try await engine.loopThreadID
    let actor = Resident(engine)
    #expect(await actor.thread() == loop)
    #expect(await actor.bumpAround() == loop)
    #expect(try await actor.sleepAround() == loop)
    try await engine.call {
      for _ in 0..<10 { _ = await actor.bump() }
      #expect(await actor.thread() == loop)
    }
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<100 {
        group.addTask {
          _ = await actor.bump()
          #expect(await actor.bumpAround() == loop)
        }
      }
    }
    #expect(await actor.total == 212)
  }

  @Test("Isolation can be asserted by synchronous code on the loop thread")
  func assumed() async throws {
    let engine = engine
    let actor = Resident(engine)
    _ = await actor.bump()
    #expect(try await HostThread.run { try engine.callAndWait { actor.assumeOnLoop() } } == 1)
    #expect(engine.executor.isIsolatingCurrentContext() == false)
    let isolating = try await engine.call {
      engine.executor.checkIsolated()
      return engine.executor.isIsolatingCurrentContext()
    }
    #expect(isolating == true)
    let other = try Engine()
    #expect(try await other.call { engine.executor.isIsolatingCurrentContext() } == false)
    #expect(engine.executor.isSameExclusiveExecutionContext(other: engine.executor))
    #expect(!engine.executor.isSameExclusiveExecutionContext(other: other.executor))
  }

  @Test("A block of code can be moved to the loop and back")
  func block() async throws {
    let loop = try await engine.loopThreadID
    let inside = await withTaskExecutorPreference(engine.executor) { await concurrentThread() }
    #expect(inside == loop)
    #expect(await concurrentThread() != loop)
  }

  @Test("Task-local values and priority pass into a block that is moved")
  func locals() async throws {
    let value = await Marker.$current.withValue(7) {
      await withTaskExecutorPreference(engine.executor) { Marker.current }
    }
    #expect(value == 7)
  }

  @Test("Continuations resumed from any thread come back to the loop")
  func resumedElsewhere() async throws {
    let loop = try await engine.loopThreadID
    let threads = try await engine.call {
      var seen: [Int64] = []
      for _ in 0..<100 {
        await withCheckedContinuation { continuation in
          HostThread { continuation.resume() }.join()
        }
        seen.append(threadID)
      }
      return seen
    }
    #expect(threads.count == 100 && Set(threads) == [loop])
  }

  @Test("Nothing needs the global pool: with all its threads blocked, tasks on the loop go on")
  func withoutPool() async throws {
    let engine = engine
    try await HostThread.run {
      let (gate, blocked, canary) = (Gate(), Counter(), Counter())
      // Block it whole: until a task more does not start.
      var taken = 0
      repeat {
        taken += 1
        let before = blocked.value
        Task.detached {
          blocked.add()
          gate.pass()
        }
        for _ in 0..<200 where blocked.value == before { pause(milliseconds: 1) }
      } while blocked.value == taken && taken < 512
      Task.detached { canary.add() }
      defer { for _ in 0...taken { gate.open() } }
      let value = try engine.callAndWait(deadline: .seconds(20)) {
        await Task.yield()
        #if compiler(>=6.3) && compiler(<6.4) && !OUTBOARD_NO_SPI
          try await Task.sleep(for: .milliseconds(2))
          try await Task.sleep(until: .now + .milliseconds(2), clock: .suspending)
          try await ContinuousClock().sleep(for: .milliseconds(1))
        #endif
        try await engine.sleep(for: .milliseconds(2))
        async let one = concurrentThread()
        _ = await one
        await withTaskGroup(of: Void.self) { group in
          for _ in 0..<4 { group.addTask { try? await engine.sleep(for: .milliseconds(1)) } }
        }
        return 11
      }
      #expect(value == 11)
      #expect(canary.value == 0, "the pool was not blocked, so this proved nothing")
    }
  }
}

private enum Marker {
  @TaskLocal static var current = 0
}
