internal import CBench
internal import Dispatch
internal import Outboard

/// Outboard through its Swift API, with its defaults (spin=off: without spinning).
final class Subject: Sendable {
  let engine: Engine

  init() {
    var configuration = Engine.Configuration()
    if String(cString: bench_option("spin", "default")) == "off" {
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
    Unmanaged<Subject>.fromOpaque(context).takeUnretainedValue()
  }
}

/// Where an awaiting task runs, and how its answer comes about.
enum Origin {
  /// On the loop: the call runs inline.
  case loop
  /// On the loop: each step goes through the queue.
  case queue
  /// On the default pool: to the loop and back.
  case pool

  /// Nil for a place that there is not.
  init?(_ text: String) {
    switch text {
    case "loop": self = .loop
    case "queue": self = .queue
    case "pool": self = .pool
    default: return nil
    }
  }
}

extension Subject {
  /// Runs tasks from `origin` and blocks until all have ended.
  func runTasks(_ count: Int32, from origin: Origin) {
    let group = DispatchGroup()
    for index in 0..<count {
      group.enter()
      let executor: (any TaskExecutor)? = origin == .pool ? nil : engine.executor
      Task(executorPreference: executor) {
        await self.steps(of: index, from: origin)
        group.leave()
      }
    }
    group.wait()
  }

  private func steps(of index: Int32, from origin: Origin) async {
    var x = bench_step(index, -1)
    while x >= 0 {
      let argument = x
      let answer: Int32
      if origin == .queue {
        await Task.yield()
        answer = bench_handle(argument)
      } else {
        do {
          answer = try await engine.call { bench_handle(argument) }
        } catch {
          fail(error)
        }
      }
      x = bench_step(index, answer)
    }
  }
}

func fail(_ error: any Error) -> Never {
  bench_fail("outboard: \(error)")
}
