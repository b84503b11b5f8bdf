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
}
