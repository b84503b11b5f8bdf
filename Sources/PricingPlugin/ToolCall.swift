internal import FoundationEssentials

/// A call of a tool with its arguments, checked.
enum ToolCall: Equatable, Sendable {
  case price(Int64)
  case search(String)
  case health

  /// Longest text to search for, in bytes; SQLite's own limit is far above.
  static let queryLimit = 1000

  /// Reads a call. Arguments that a tool does not know are ignored.
  ///
  /// - Parameters:
  ///   - name: Of the tool.
  ///   - json: Its arguments, a JSON object; empty for none.
  /// - Throws: `unknownTool`, or `invalid` with the argument's name.
  init(name: String, json: [UInt8]) throws(PluginFault) {
    switch name {
    case "get_product_price":
      self = .price(try Self.arguments(PriceArguments.self, json).productID)
    case "search_products":
      let query = try Self.arguments(SearchArguments.self, json).query
      guard query.utf8.count <= Self.queryLimit else {
        throw .invalid("query must not be longer than \(Self.queryLimit) bytes")
      }
      self = .search(query)
    case "health":
      self = .health
    default:
      throw .unknownTool(name)
    }
  }

  private static func arguments<Arguments: Decodable>(
    _ type: Arguments.Type, _ json: [UInt8]
  ) throws(PluginFault) -> Arguments {
    do {
      let object = json.isEmpty ? Array("{}".utf8) : json
      return try JSONDecoder().decode(type, from: Data(object))
    } catch let fault as PluginFault {
      throw fault
    } catch {
      throw .invalid("The arguments are not a JSON object: \(error.reason)")
    }
  }
}

private struct PriceArguments: Decodable {
  var productID: Int64

  enum CodingKeys: String, CodingKey {
    case productID = "product_id"
  }

  init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: CodingKeys.self)
    guard members.contains(.productID) else {
      throw PluginFault.invalid("product_id is missing")
    }
    guard let id = try? members.decode(Int64.self, forKey: .productID) else {
      let isNumber = (try? members.decode(Double.self, forKey: .productID)) != nil
      throw PluginFault.invalid(
        isNumber
          ? "product_id must be an integer of 64 bits"
          : "product_id must be an integer")
    }
    productID = id
  }
}

private struct SearchArguments: Decodable {
  var query: String

  enum CodingKeys: CodingKey {
    case query
  }

  init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: CodingKeys.self)
    guard members.contains(.query) else { throw PluginFault.invalid("query is missing") }
    guard let query = try? members.decode(String.self, forKey: .query) else {
      throw PluginFault.invalid("query must be a string")
    }
    self.query = query
  }
}
