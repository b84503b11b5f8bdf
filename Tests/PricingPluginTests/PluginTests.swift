import FoundationEssentials
import Testing

@testable import PricingPlugin

/// The plugin with its engine, as a host drives it, but for C.
@Suite(.timeLimit(.minutes(2)))
struct PluginTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = "\(folder.path)/products.db"
  }

  private func started(_ more: String = "") throws -> Plugin {
    let plugin = Plugin()
    #expect(plugin.configure(json: configuration(more)) == 0)
    if let fault = plugin.start() { throw fault }
    return plugin
  }

  private func configuration(_ more: String = "") -> [UInt8] {
    Array(#"{"database_url":"sqlite:\#(path)"\#(more)}"#.utf8)
  }

  private func call(_ plugin: Plugin, _ tool: String, _ json: String = "{}") -> (Int32, String) {
    let reply = plugin.call(tool, json: Array(json.utf8))
    return (reply.code, String(decoding: reply.json, as: UTF8.self))
  }

  @Test func answers() throws {
    let plugin = try started()
    #expect(
      call(plugin, "get_product_price", #"{"product_id":1}"#) == (
        0,
        #"{"description":"15 bar pump, one group","id":1,"name":"Espresso Machine","price":449.95}"#
      ))
    #expect(
      call(plugin, "get_product_price", #"{"product_id":9223372036854775807}"#) == (
        0,
        #"{"description":"The largest id that there is","id":9223372036854775807,"#
          + #""name":"Last Product","price":0.1}"#
      ))
    #expect(
      call(plugin, "search_products", #"{"query":"SCALE"}"#) == (
        0,
        #"{"count":1,"products":[{"description":"0.1 g steps up to 2 kg","id":4,"#
          + #""name":"Digital Scale","price":24.5}],"truncated":false}"#
      ))
    #expect(
      call(plugin, "get_product_price", #"{"product_id":12}"#)
        == (1, #"{"error":"Product 12 not found"}"#))
    #expect(call(plugin, "sell") == (1, #"{"error":"Unknown tool: sell"}"#))
  }

  @Test func nothingIsAnsweredBeforeInit() {
    let plugin = Plugin()
    #expect(call(plugin, "health") == (1, #"{"error":"The plugin has not been initialised"}"#))
    #expect(plugin.configure(json: Array(#"{"x":1}"#.utf8)) == 1)
    #expect(plugin.start() == .invalid("Unknown configuration member \"x\""))
    #expect(call(plugin, "health") == (1, #"{"error":"Unknown configuration member \"x\""}"#))
  }

  @Test func aFailedStartSaysWhyAndCanBeRepeated() throws {
    folder.write(Array("certainly not a database, but long enough".utf8), to: path)
    let plugin = Plugin()
    #expect(plugin.configure(json: configuration()) == 0)
    #expect(plugin.start() == .database("file is not a database"))
    folder.run("rm", path)
    #expect(plugin.start() == nil)
    #expect(plugin.start() == nil)
    #expect(plugin.configure(json: configuration()) == 0)
    #expect(plugin.configure(json: configuration(#","max_connections":1"#)) == 2)
  }

  /// In a child of fork the lock may be held by a thread that the child has not got.
  @Test func aCallTakesNoLock() throws {
    struct State {
      var isHeld = false
      var isAnswered = false
    }
    let plugin = try started()
    let state = Guarded(State())
    onThreads(2) { thread in
      if thread == 0 {
        plugin.lifecycle.withLock { _ in
          state.withLock { $0.isHeld = true }
          let limit = ContinuousClock.now + .seconds(10)
          let answered = state.wait(every: .milliseconds(5)) { state in
            state.isAnswered || ContinuousClock.now > limit ? state.isAnswered : nil
          }
          #expect(answered, "the call waited for the lifecycle's lock")
        }
      } else {
        state.wait(every: .milliseconds(5)) { $0.isHeld ? () : nil }
        let reply = plugin.call("health", json: [])
        #expect(reply.code == 0)
        state.withLock { $0.isAnswered = true }
      }
    }
  }

  @Test func aStartAgainstALockedDatabaseEndsAtTheTimeout() throws {
    _ = try started()
    let holder = try SQLiteConnection(path: path, mode: .existing)
    try holder.execute("BEGIN EXCLUSIVE")
    let plugin = Plugin()
    #expect(plugin.configure(json: configuration(#","timeout_seconds":0.2"#)) == 0)
    let start = ContinuousClock.now
    #expect(plugin.start() == .timedOut(.milliseconds(200)))
    #expect(ContinuousClock.now - start < .seconds(5))
    try holder.execute("ROLLBACK")
    #expect(plugin.start() == nil)
  }

  @Test func callsAgainstALockedDatabaseEndAtTheTimeout() throws {
    let plugin = try started(#","timeout_seconds":0.3,"max_connections":2"#)
    let holder = try SQLiteConnection(path: path, mode: .existing)
    try holder.execute("BEGIN EXCLUSIVE")
    // More than there are connections: some time out while they wait for one.
    onThreads(6) { _ in
      let start = ContinuousClock.now
      let reply = plugin.call("get_product_price", json: Array(#"{"product_id":1}"#.utf8))
      #expect(ContinuousClock.now - start < .seconds(5))
      #expect(reply == Reply(.timedOut(.milliseconds(300))))
    }
    try holder.execute("ROLLBACK")
    #expect(call(plugin, "get_product_price", #"{"product_id":1}"#).0 == 0)
  }

  @Test func healthReportsAndFails() throws {
    struct Report: Decodable {
      struct Engine: Decodable {
        var submitted: Int
        var refused: Int
      }
      var status: String
      var database: String
      var products: Int
      var engine: Engine
    }
    let plugin = try started()
    let body = plugin.call("health", json: [])
    #expect(body.code == 0)
    let report = try JSONDecoder().decode(Report.self, from: Data(body.json))
    #expect(report.status == "ok" && report.database == path)
    #expect(report.products == SampleProducts.all.count)
    #expect(report.engine.submitted >= 2 && report.engine.refused == 0)

    folder.run("mv", path, "\(path).away")
    let gone = call(plugin, "health")
    #expect(gone.0 == 1 && gone.1.contains("No such file or directory"), "\(gone)")
    folder.run("mv", "\(path).away", path)
    #expect(call(plugin, "health").0 == 0)

    folder.write(Array(repeating: 0x78, count: 20_000), to: path)
    #expect(
      call(plugin, "health") == (1, #"{"error":"Database error: file is not a database"}"#))
  }

  @Test func concurrentCallsLoseNothing() throws {
    let plugin = try started(#","max_connections":3"#)
    let answers = Guarded([String: Int]())
    onThreads(16) { _ in
      for id in [1, 2, 9, 404] {
        for _ in 0..<50 {
          let reply = plugin.call(
            "get_product_price", json: Array(#"{"product_id":\#(id)}"#.utf8))
          let text = "\(id) \(reply.code) \(String(decoding: reply.json, as: UTF8.self))"
          answers.withLock { $0[text, default: 0] += 1 }
        }
      }
    }
    let counted = answers.withLock { $0 }
    #expect(counted.count == 4)
    #expect(counted.values.allSatisfy { $0 == 16 * 50 }, "\(counted)")
    #expect(call(plugin, "health").1.contains("\"connections\":"))
  }

  @Test func aPluginThatIsGivenUpEndsItsEngine() throws {
    for _ in 0..<20 {
      let plugin = try started()
      #expect(call(plugin, "health").0 == 0)
    }
  }
}
