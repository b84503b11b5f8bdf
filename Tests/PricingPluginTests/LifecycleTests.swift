import Testing

@testable import PricingPlugin

@Suite(.timeLimit(.minutes(1)))
struct LifecycleTests {
  private typealias Life = Lifecycle<String>
  private let good = Array(#"{"max_connections":2}"#.utf8)
  private let bad = Array(#"{"max_connection":2}"#.utf8)

  private func limit(_ start: Life.Start) -> Int? {
    if case .start(let configuration) = start { configuration.maxConnections } else { nil }
  }

  /// The same again is no change; another one would be.
  @Test func configureIsTakenOnce() throws {
    let same = Array(#"{ "timeout_seconds":30.0, "max_connections":2 }"#.utf8)
    let other = Array(#"{"max_connections":3}"#.utf8)
    var life = Life()
    func expectThatTheFirstHolds() {
      #expect(life.configure(json: good) == 0)
      #expect(life.configure(json: same) == 0)
      #expect(life.configure(json: other) == 2)
      #expect(life.configure(json: bad) == 1)
    }
    expectThatTheFirstHolds()
    #expect(try limit(life.begin()) == 2)
    expectThatTheFirstHolds()
    life.end(.success("service"))
    expectThatTheFirstHolds()
    #expect(try life.service() == "service")
  }

  @Test func withoutConfigurationTheDefaultsHold() throws {
    var life = Life()
    #expect(try limit(life.begin()) == 5)
    #expect(life.configure(json: Array("{}".utf8)) == 0)
    #expect(life.configure(json: good) == 2)
  }

  @Test func aRefusedConfigurationIsInitsError() throws {
    var life = Life()
    #expect(life.configure(json: bad) == 1)
    let expected = PluginFault.invalid("Unknown configuration member \"max_connection\"")
    #expect(throws: expected) { try life.begin() }
    #expect(throws: expected) { try life.service() }
    #expect(life.configure(json: good) == 0)
    #expect(try limit(life.begin()) == 2)
  }

  @Test func aFailedStartCanBeTriedAgain() throws {
    var life = Life()
    #expect(life.configure(json: good) == 0)
    _ = try life.begin()
    #expect(throws: PluginFault.self) { try life.begin() }
    #expect(throws: PluginFault.notReady("The plugin is still starting")) { try life.service() }
    life.end(.failure(.busy))
    #expect(throws: PluginFault.self) { try life.service() }
    #expect(try limit(life.begin()) == 2)
    life.end(.success("service"))
    #expect(try limit(life.begin()) == nil)
  }
}
