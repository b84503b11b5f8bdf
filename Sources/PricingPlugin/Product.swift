internal import FoundationEssentials

/// A row of `products`. The price is exact, and encodes as a JSON number.
struct Product: Equatable, Sendable, Encodable {
  var id: Int64
  var name: String
  var price: Decimal
  var description: String?

  enum CodingKeys: String, CodingKey {
    case id, name, price, description
  }

  func encode(to encoder: any Encoder) throws {
    var members = encoder.container(keyedBy: CodingKeys.self)
    try members.encode(id, forKey: .id)
    try members.encode(name, forKey: .name)
    try members.encode(price, forKey: .price)
    try members.encode(description, forKey: .description)  // null when absent
  }
}

/// What a search found.
struct SearchResult: Equatable, Sendable, Encodable {
  var products: [Product]
  /// Products in this answer.
  var count: Int
  /// More matched than an answer holds.
  var truncated: Bool
}
