import FoundationEssentials
import Testing

@testable import PricingPlugin

@Suite(.timeLimit(.minutes(1)))
struct ConfigurationTests {
  private func parse(_ json: String) throws(PluginFault) -> Configuration {
    try Configuration(json: Array(json.utf8))
  }

  @Test func emptyObjectGivesTheDefaults() throws {
    let configuration = try parse("{}")
    #expect(configuration == Configuration())
    #expect(configuration.database == .standard)
    #expect(configuration.maxConnections == 5)
    #expect(configuration.timeout == .seconds(30))
  }

  @Test func everyMemberIsRead() throws {
    let configuration = try parse(
      #"{"database_url":"sqlite:/srv/p.db","max_connections":64,"timeout_seconds":0.25}"#)
    #expect(configuration.database == .file("/srv/p.db"))
    #expect(configuration.maxConnections == 64)
    #expect(configuration.timeout == .milliseconds(250))
  }

  @Test(arguments: [
    ("", "The configuration is not a JSON object"),
    ("[]", "The configuration is not a JSON object"),
    ("{", "The configuration is not a JSON object"),
    (#"{"max_connection":5}"#, "Unknown configuration member \"max_connection\""),
    (#"{"max_connections":0}"#, "max_connections must be from 1 to 64, not 0"),
    (#"{"max_connections":65}"#, "max_connections must be from 1 to 64, not 65"),
    (#"{"max_connections":"5"}"#, "max_connections must be an integer"),
    (#"{"max_connections":1.5}"#, "max_connections must be an integer"),
    (#"{"max_connections":null}"#, "max_connections must be an integer"),
    (#"{"timeout_seconds":0}"#, "timeout_seconds must be from 0.001 to 3600, not 0.0"),
    (#"{"timeout_seconds":-1}"#, "timeout_seconds must be from 0.001 to 3600, not -1.0"),
    (#"{"timeout_seconds":3601}"#, "timeout_seconds must be from 0.001 to 3600, not 3601.0"),
    (#"{"timeout_seconds":"1"}"#, "timeout_seconds must be a number"),
    (#"{"database_url":5}"#, "database_url must be a string"),
    (#"{"database_url":"postgres://u:secret@h/d"}"#, "database_url must begin with sqlite:"),
    (#"{"database_url":"sqlite:"}"#, "database_url needs a file's path"),
    (#"{"database_url":"sqlite://host/p"}"#, "database_url needs a file's path"),
    (#"{"database_url":"sqlite:/a\u0000b"}"#, "database_url must not contain a NUL"),
  ])
  func whatIsWrongIsNamed(json: String, reason: String) {
    let fault = #expect(throws: PluginFault.self) { try parse(json) }
    #expect(fault?.description.hasPrefix(reason) == true, "\(fault as Any)")
    #expect(fault?.description.contains("secret") == false)
  }

  @Test(arguments: [
    ("sqlite:p.db", DatabaseLocation.file("p.db")),
    ("sqlite:/p.db", .file("/p.db")),
    ("sqlite:///p.db", .file("/p.db")),
    ("sqlite:/p.db?mode=ro&x=%20", .file("/p.db?mode=ro&x=%20")),
    ("sqlite::memory:", .memory),
  ])
  func locations(url: String, location: DatabaseLocation) throws {
    #expect(try DatabaseLocation(url: url) == location)
  }

  @Test func pathsAreFixedAtTheStart() throws {
    #expect(try DatabaseLocation.file("/a/b.db").path() == "/a/b.db")
    let relative = try DatabaseLocation.file("b.db").path()
    #expect(relative.hasPrefix("/") && relative.hasSuffix("/b.db"))
    #expect(try DatabaseLocation.memory.path() == ":memory:")
  }

  /// The schema says what the code does.
  @Test func schemaAgreesWithDefaultsAndBounds() throws {
    struct Schema: Decodable {
      struct Member: Decodable {
        var type: String
        var minimum: Double?
        var maximum: Double?
        var `default`: Double?
      }
      var additionalProperties: Bool
      var properties: [String: Member]
    }
    let schema = try JSONDecoder().decode(
      Schema.self, from: Data(Configuration.schema.utf8))
    #expect(!schema.additionalProperties)
    #expect(
      Set(schema.properties.keys) == ["database_url", "max_connections", "timeout_seconds"])
    let connections = try #require(schema.properties["max_connections"])
    #expect(connections.minimum == Double(Configuration.connectionBounds.lowerBound))
    #expect(connections.maximum == Double(Configuration.connectionBounds.upperBound))
    #expect(connections.default == Double(Configuration().maxConnections))
    let timeout = try #require(schema.properties["timeout_seconds"])
    #expect(timeout.minimum == Configuration.timeoutBounds.lowerBound)
    #expect(timeout.maximum == Configuration.timeoutBounds.upperBound)
    #expect(Duration.seconds(timeout.default ?? 0) == Configuration().timeout)
  }

  @Test func defaultFolders() {
    func candidates(_ variables: [String: String]) -> [String] {
      DefaultDirectory.candidates(user: 7) { variables[$0] }
    }
    #expect(
      candidates(["XDG_CACHE_HOME": "/c", "HOME": "/h", "TMPDIR": "/t"])
        == ["/c/outboard", "/h/.cache/outboard", "/t/outboard-7"])
    #expect(candidates([:]) == ["/tmp/outboard-7"])
    #expect(
      candidates(["XDG_CACHE_HOME": "c", "HOME": "", "TMPDIR": "."]) == ["/tmp/outboard-7"])
  }

  @Test func aFolderThatOthersCanWriteToIsRefused() throws {
    let folder = try TemporaryFolder()
    let fine = "\(folder.path)/a/b"
    try DefaultDirectory.make(fine)
    try DefaultDirectory.make(fine)
    folder.run("chmod", "777", fine)
    #expect(throws: PluginFault.database("\(fine) is not a folder of this user's alone")) {
      try DefaultDirectory.make(fine)
    }
    folder.run("ln", "-s", "/etc", "\(folder.path)/link")
    #expect(throws: PluginFault.self) { try DefaultDirectory.make("\(folder.path)/link") }
    folder.run("touch", "\(folder.path)/file")
    #expect(throws: PluginFault.self) { try DefaultDirectory.make("\(folder.path)/file") }
  }
}
