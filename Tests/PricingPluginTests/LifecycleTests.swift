import Testing

@testable import PricingPlugin

@Suite(.timeLimit(.minutes(1)))
struct LifecycleTests {
  private typealias Life = Lifecycle<String>
  private let good = Array(#"{"max_connections":2}"#.utf8)
  private let other = Array(#"{"max_connections":3}"#.utf8)
  private let bad = Array(#"{"max_connection":2}"#.utf8)

  private func limit(_ start: Life.Start) -> Int? {
    if case .start(let configuration) = start { configuration.maxConnections } else { nil }
  }

  @Test func oneConfigurationHolds() throws {
    var life = Life()
    #expect(life.configure(json: good) == 0)
    #expect(life.configure(json: good) == 0)
    #expect(life.configure(json: other) == 2)
    #expect(try limit(life.begin()) == 2)
    #expect(life.configure(json: good) == 0)
    #expect(life.configure(json: other) == 2)
    life.end(.success("service"))
    #expect(life.configure(json: good) == 0)
    #expect(life.configure(json: Array(#" { "max_connections" : 2 } "#.utf8)) == 0)
    #expect(life.configure(json: other) == 2)
    #expect(try life.service() == "service")
  }

  @Test func whatIsNotUnderstoodChangesNothing() throws {
    var life = Life()
    #expect(life.configure(json: good) == 0)
    #expect(life.configure(json: bad) == 1)
    #expect(try limit(life.begin()) == 2)
    life.end(.success("service"))
    #expect(life.configure(json: bad) == 1)
    #expect(life.configure(json: good) == 0)
    #expect(try life.service() == "service")
  }

  @Test func theDefaultsAreAConfigurationToo() throws {
    var life = Life()
    #expect(try limit(life.begin()) == 5)
    life.end(.success("service"))
    #expect(life.configure(json: Array("{}".utf8)) == 0)
    #expect(life.configure(json: good) == 2)
  }

  @Test func withoutConfigurationTheDefaultsHold() throws {
    var life = Life()
    #expect(try limit(life.begin()) == 5)
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
