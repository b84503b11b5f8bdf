import Dispatch
import Outboard

/// Does, warm, what the Swift layer claims to do without allocating, between the begin and the end
/// of a ``Probe``.
@main struct AllocProbe {
  private static let warmUp = 2_000
  private static let operations = 20_000
  private static let probe = Probe()

  static func main() throws {
    try callAndWait("Swift callAndWait, steady state", spinBudget: .microseconds(2))
    try callAndWait("Swift callAndWait, forced parking", spinBudget: .zero)
    try awaits("Swift jobs enqueued by await")
    try callsOnLoop("Swift calls awaited on the loop")
    try callsFromPool("Swift calls awaited from the pool")
    try posts("Swift posts")
  }

  /// Synchronous calls from one thread, with captures and a result.
  private static func callAndWait(_ what: StaticString, spinBudget: Duration) throws {
    var configuration = Engine.Configuration()
    configuration.spinBudget = spinBudget
    let engine = try Engine(configuration)
    var sum = 0
    for number in 0..<warmUp { sum += try engine.callAndWait { number } }
    probe.begin(what)
    for number in 0..<operations { sum += try engine.callAndWait { number } }
    probe.end(what, operations)
    precondition(sum > 0)
    try engine.shutdownAndWait()
  }

  /// Two tasks on the loop that resume each other: each turn enqueues a job.
  private static func awaits(_ what: StaticString) throws {
    let engine = try Engine()
    try engine.callAndWait {
      let table = PingPong()
      async let partner: Void = {
        for _ in 0..<warmUp + operations { await table.turn() }
        table.finish()
      }()
      for turn in 0..<warmUp + operations {
        if turn == warmUp { probe.begin(what) }
        await table.turn()
      }
      probe.end(what, operations)
      table.finish()
      await partner
    }
    try engine.shutdownAndWait()
  }

  /// They run inline; the body's closure is the caller's.
  private static func callsOnLoop(_ what: StaticString) throws {
    let engine = try Engine()
    try engine.callAndWait { try await calls(of: engine, what, most: 1) }
    try engine.shutdownAndWait()
  }

  /// The hop, what the core knows of it, the body, what runs it, its result; a suspension has a job
  /// now and then.
  private static func callsFromPool(_ what: StaticString) throws {
    let engine = try Engine()
    let done = DispatchSemaphore(value: 0)
    Task.detached {
      try await calls(of: engine, what, most: 6)
      done.signal()
    }
    done.wait()
    try engine.shutdownAndWait()
  }

  private static func calls(
    of engine: Engine, _ what: StaticString, most: UInt64
  ) async throws {
    var sum = 0
    for number in 0..<warmUp { sum += try await engine.call { number } }
    probe.begin(what)
    for number in 0..<operations { sum += try await engine.call { number } }
    probe.end(what, operations, most: most)
    precondition(sum > 0)
  }

  /// The closure and its place in the queue, until the loop has run it.
  private static func posts(_ what: StaticString) throws {
    let engine = try Engine()
    for _ in 0..<warmUp { try engine.post {} }
    try engine.callAndWait {}
    probe.begin(what)
    for number in 0..<operations { try engine.post { precondition(number >= 0) } }
    try engine.callAndWait {}
    probe.end(what, operations, most: 2)
    try engine.shutdownAndWait()
  }
}
