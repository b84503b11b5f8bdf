internal import CBench
internal import Dispatch
internal import Outboard

/// Outboard through its Swift API, with its defaults (spin=off: without spinning).
final class Subject: Sendable {
  let engine: Engine

  init() {
    var configuration = Engine.Configuration()
    if unsafe String(cString: bench_option("spin", "default")) == "off" {
      configuration.spinBudget = .zero
    }
    do {
      engine = try Engine(configuration)
    } catch {
      fail(error)
    }
  }

  /// The subject behind the driver's pointer.
  static func at(_ context: UnsafeMutableRawPointer) -> Subject {
    unsafe Unmanaged<Subject>.fromOpaque(context).takeUnretainedValue()
  }
}

/// Where an awaiting task runs, and how its answer comes about.
enum Origin {
  /// On the loop: the call runs inline.
  case loop
  /// On the loop: each step goes through the queue, in which another task of a pair puts it.
  case queue
  /// On the loop: each step is one of `Task.yield`.
  case yield
  /// On the default pool: to the loop and back.
  case pool
  /// On the default pool, for a body that suspends twice on the loop.
  case body

  /// Nil for a place that there is not.
  init?(_ text: String) {
    switch text {
    case "loop": self = .loop
    case "queue": self = .queue
    case "yield": self = .yield
    case "pool": self = .pool
    case "body": self = .body
    default: return nil
    }
  }
}

extension Subject {
  /// Runs tasks from `origin` and blocks until all have ended.
  func runTasks(_ count: Int32, from origin: Origin) {
    let group = DispatchGroup()
    var pair = Pair()
    for index in 0..<count {
      group.enter()
      if index % 2 == 0 { pair = Pair() }
      let executor: (any TaskExecutor)? = onPool(origin) ? nil : engine.executor
      Task(executorPreference: executor) { [pair] in
        await self.steps(of: index, from: origin, in: pair)
        group.leave()
      }
    }
    group.wait()
  }

  private func onPool(_ origin: Origin) -> Bool { origin == .pool || origin == .body }

  private func steps(of index: Int32, from origin: Origin, in pair: Pair) async {
    var x = bench_step(index, -1)
    while x >= 0 {
      do {
        x = bench_step(index, try await answer(to: x, from: origin, in: pair))
      } catch {
        fail(error)
      }
    }
    pair.finish()
  }

  private func answer(to x: Int32, from origin: Origin, in pair: Pair) async throws -> Int32 {
    switch origin {
    case .loop, .pool:
      return try await engine.call { bench_handle(x) }
    case .queue:
      await pair.turn()
      return bench_handle(x)
    case .yield:
      await Task.yield()
      return bench_handle(x)
    case .body:
      return try await engine.call {
        await Task.yield()
        await Task.yield()
        return bench_handle(x)
      }
    }
  }
}

func fail(_ error: any Error) -> Never {
  unsafe bench_fail("outboard: \(error)")
}
