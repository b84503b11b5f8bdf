internal import FoundationEssentials

/// What the host may set, with its defaults and bounds.
struct Configuration: Equatable, Sendable {
  /// Where the products are.
  var database = DatabaseLocation.standard
  /// Most connections, and so most calls, that use the database at once.
  var maxConnections = 5
  /// How long a call, or the start, may take in all.
  var timeout = Duration.seconds(30)

  static let connectionBounds = 1...64
  static let timeoutBounds = 0.001...3600.0

  init() {}

  /// Reads a configuration.
  ///
  /// - Parameter json: A JSON object; members that are absent keep their
  ///   defaults.
  /// - Throws: `invalid`, naming the member, also for one it does not know.
  init(json: [UInt8]) throws(PluginFault) {
    let wire: Wire
    do {
      wire = try JSONDecoder().decode(Wire.self, from: Data(json))
    } catch let fault as PluginFault {
      throw fault
    } catch {
      throw .invalid("The configuration is not a JSON object: \(error.reason)")
    }
    if let url = wire.databaseURL { database = try DatabaseLocation(url: url) }
    if let count = wire.maxConnections {
      guard Self.connectionBounds.contains(count) else {
        throw .invalid("max_connections must be from 1 to 64, not \(count)")
      }
      maxConnections = count
    }
    if let seconds = wire.timeoutSeconds {
      guard Self.timeoutBounds.contains(seconds) else {
        throw .invalid("timeout_seconds must be from 0.001 to 3600, not \(seconds)")
      }
      timeout = .seconds(seconds)
    }
  }
}

/// The configuration as it is written.
private struct Wire: Decodable {
  var databaseURL: String?
  var maxConnections: Int?
  var timeoutSeconds: Double?

  init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: MemberName.self)
    for name in members.allKeys {
      switch name.stringValue {
      case "database_url":
        databaseURL = try members.value(String.self, name, "a string")
      case "max_connections":
        maxConnections = try members.value(Int.self, name, "an integer")
      case "timeout_seconds":
        timeoutSeconds = try members.value(Double.self, name, "a number")
      default:
        throw PluginFault.invalid("Unknown configuration member \"\(name.stringValue)\"")
      }
    }
  }
}

/// Any member's name, so that unknown ones are seen.
private struct MemberName: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }
  init(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

extension KeyedDecodingContainer<MemberName> {
  /// A member's value; its name and `kind` are what the error says.
  fileprivate func value<Value: Decodable>(
    _ type: Value.Type, _ name: MemberName, _ kind: String
  ) throws -> Value {
    do {
      return try decode(type, forKey: name)
    } catch {
      throw PluginFault.invalid("\(name.stringValue) must be \(kind)")
    }
  }
}

extension Error {
  /// What a decoder has to say, without its type names.
  var reason: String {
    switch self as? DecodingError {
    case .dataCorrupted(let context): context.debugDescription
    case .typeMismatch(_, let context): context.debugDescription
    case .valueNotFound(_, let context): context.debugDescription
    case .keyNotFound(let key, _): "\(key.stringValue) is missing"
    default: "\(self)"
    }
  }
}
