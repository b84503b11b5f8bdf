internal import FoundationEssentials

/// The products in a database: what the tools ask of a connection.
enum ProductStore {
  /// Most products in a search's answer.
  static let searchLimit = 100

  /// Makes sure that the database has products: an empty one gets the table and the samples.
  ///
  /// - Throws: `database` when there are tables, but not ours.
  static func prepare(_ connection: SQLiteConnection) throws(PluginFault) {
    if try isEmpty(connection) {
      // Looked at again inside: another process may be doing the same.
      try connection.transaction { () throws(PluginFault) in
        if try isEmpty(connection) { try seed(connection) }
      }
    }
    try connection.query("SELECT id, name, price, description FROM products LIMIT 0", []) { _ in
      false
    }
  }

  private static func isEmpty(_ connection: SQLiteConnection) throws(PluginFault) -> Bool {
    var tables: Int64 = 0
    try connection.query("SELECT count(*) FROM sqlite_schema", []) { row in
      tables = row.integer(0)
      return true
    }
    return tables == 0
  }

  private static func seed(_ connection: SQLiteConnection) throws(PluginFault) {
    // TEXT keeps each digit of a price; a DECIMAL column would make a binary fraction of it.
    try connection.execute(
      """
      CREATE TABLE products (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL,
        price TEXT NOT NULL CHECK (typeof(price) = 'text'), description TEXT)
      """)
    for sample in SampleProducts.all {
      try connection.query(
        "INSERT INTO products (id, name, price, description) VALUES (?, ?, ?, ?)",
        [.integer(sample.id), .text(sample.name), .text(sample.price), .text(sample.text)]
      ) { _ in true }
    }
  }

  /// The product with an id.
  ///
  /// - Throws: `notFound`, or `database`.
  static func product(_ id: Int64, _ connection: SQLiteConnection) throws(PluginFault) -> Product {
    var found: Product?
    try connection.query(
      "SELECT id, name, price, description FROM products WHERE id = ?", [.integer(id)]
    ) { row throws(PluginFault) in
      found = try product(row)
      return false
    }
    guard let found else { throw .notFound(id) }
    return found
  }

  /// The products whose name contains a text, by id. ASCII letters match in either case.
  static func search(
    _ text: String, _ connection: SQLiteConnection
  ) throws(PluginFault) -> SearchResult {
    var products: [Product] = []
    var truncated = false
    try connection.query(
      """
      SELECT id, name, price, description FROM products
      WHERE name LIKE ? ESCAPE '\(LikePattern.escape)' ORDER BY id
      """, [.text(LikePattern.containing(text))]
    ) { row throws(PluginFault) in
      truncated = products.count == searchLimit
      if !truncated { products.append(try product(row)) }
      return !truncated
    }
    return SearchResult(products: products, count: products.count, truncated: truncated)
  }

  /// Reads through the whole table, so that a file that is damaged or gone shows.
  ///
  /// - Returns: The number of products.
  static func probe(_ connection: SQLiteConnection) throws(PluginFault) -> Int64 {
    var count: Int64 = 0
    try connection.query("SELECT count(*) FROM products", []) { row in
      count = row.integer(0)
      return true
    }
    return count
  }

  private static func product(_ row: SQLiteStatement) throws(PluginFault) -> Product {
    guard row.storage(0) == .integer else {
      throw .database("a product's id is no integer")
    }
    let id = row.integer(0)
    return Product(
      id: id, name: row.text(1), price: try price(row, of: id),
      description: row.storage(3) == .null ? nil : row.text(3))
  }

  private static func price(_ row: SQLiteStatement, of id: Int64) throws(PluginFault) -> Decimal {
    switch row.storage(2) {
    case .integer:
      return Decimal(row.integer(2))
    case .text:
      if let price = ExactDecimal.parse(row.text(2)) { return price }
      throw .database("product \(id): the price is not a decimal number of up to 38 digits")
    case .real:
      throw .database("product \(id): the price is a binary fraction; store it as TEXT")
    case .blob, .null:
      throw .database("product \(id): the price is missing")
    }
  }
}
