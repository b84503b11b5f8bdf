import FoundationEssentials
import Testing

@testable import PricingPlugin

/// The store against real files.
@Suite(.timeLimit(.minutes(1)))
struct StoreTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = "\(folder.path)/products.db"
  }

  private func interruption(_ limit: Duration = .seconds(20)) -> Interruption {
    Interruption(limit: TimeLimit(limit))
  }

  /// Opens and prepares the database. Untyped, so that closures need no annotation.
  private func withStore<Value>(_ body: (SQLiteConnection) throws -> Value) throws -> Value {
    let connection = try SQLiteConnection(path: path, mode: .create)
    return try connection.use(interruption()) { (connection) throws(PluginFault) in
      try ProductStore.prepare(connection)
      return Result { try body(connection) }
    }.get()
  }

  /// Another connection, as another program would have one.
  private func sql(_ text: String) throws(PluginFault) {
    try SQLiteConnection(path: path, mode: .create).execute(text)
  }

  @Test func anEmptyDatabaseIsSeededOnce() throws {
    #expect(try withStore { try ProductStore.probe($0) } == Int64(SampleProducts.all.count))
    try sql("DELETE FROM products WHERE id > 2")
    #expect(try withStore { try ProductStore.probe($0) } == 2)
    try sql("DELETE FROM products")
    #expect(try withStore { try ProductStore.probe($0) } == 0)
  }

  @Test func samplesComeBackAsTheyAre() throws {
    try withStore { store in
      for sample in SampleProducts.all {
        let product = try ProductStore.product(sample.id, store)
        #expect(product.id == sample.id)
        #expect(product.name == sample.name)
        #expect(product.price == Decimal(string: sample.price))
        #expect(product.description == sample.text)
      }
    }
  }

  @Test func aMissingRowIsNotFound() throws {
    for id in [0, -1, 4_294_967_297, Int64.min] {
      #expect(throws: PluginFault.notFound(id)) {
        try withStore { store in try ProductStore.product(id, store) }
      }
    }
  }

  @Test func strangersTablesAreLeftAlone() throws {
    try sql("CREATE TABLE cookies (a)")
    #expect(throws: PluginFault.database("no such table: products")) {
      try withStore { _ in }
    }
    try sql("CREATE TABLE products (id INTEGER PRIMARY KEY, name)")
    #expect(throws: PluginFault.database("no such column: price")) { try withStore { _ in } }
  }

  @Test func pricesThatAreNotExactAreErrors() throws {
    try sql(
      """
      CREATE TABLE products (id INTEGER PRIMARY KEY, name, price, description);
      INSERT INTO products VALUES (1, 'a', 19.99, NULL), (2, 'b', NULL, NULL),
        (3, 'c', '1e3', NULL), (4, 'd', 5, NULL), (5, 'e', '0.10', NULL);
      """)
    try withStore { store in
      for (id, reason) in [
        (Int64(1), "product 1: the price is a binary fraction; store it as TEXT"),
        (2, "product 2: the price is missing"),
        (3, "product 3: the price is not a decimal number of up to 38 digits"),
      ] {
        #expect(throws: PluginFault.database(reason)) { try ProductStore.product(id, store) }
      }
      #expect(try ProductStore.product(4, store).price == 5)
      let last = try ProductStore.product(5, store)
      #expect(last.price == Decimal(string: "0.1"))
      #expect(last.description == nil)
    }
  }

  @Test(arguments: [
    ("coffee", [Int64(2)]), ("COFFEE", [2]), ("%", [7]), ("_", [8]), ("100%", [7]),
    ("r_5", [8]), ("\\", []), ("' OR 1=1 --", []), ("er", [2, 5, 6, 8]),
  ])
  func searchTakesTextLiterally(query: String, ids: [Int64]) throws {
    let found = try withStore { store in
      try ProductStore.search(query, store)
    }
    #expect(found.products.map(\.id).filter { $0 != .max } == ids)
    #expect(found.count == found.products.count)
    #expect(!found.truncated)
  }

  @Test func anEmptySearchFindsAll() throws {
    let found = try withStore { store in try ProductStore.search("", store) }
    #expect(found.count == SampleProducts.all.count)
  }

  @Test func searchesAreBounded() throws {
    try withStore { _ in }
    try sql(
      """
      WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1099)
      INSERT INTO products SELECT i, 'Bulk ' || i, '1', NULL FROM n
      """)
    let all = try withStore { store in
      try ProductStore.search("bulk", store)
    }
    #expect(all.count == 100 && !all.truncated)
    try sql("INSERT INTO products VALUES (2000, 'bulk 2000', '1', NULL)")
    let cut = try withStore { store in
      try ProductStore.search("bulk", store)
    }
    #expect(cut.count == 100 && cut.truncated)
  }

  @Test func namesKeepEveryCharacter() throws {
    try withStore { store in
      let name = "Käse \u{0} 'q' 😀"
      try store.query(
        "INSERT INTO products VALUES (99, ?, '1', '')", [.text(name)]
      ) { _ in true }
      let product = try ProductStore.product(99, store)
      #expect(product.name == name)
      #expect(product.description == "")
    }
  }

  @Test func aLockedDatabaseEndsAtTheDeadline() throws {
    try withStore { _ in }
    let holder = try SQLiteConnection(path: path, mode: .existing)
    try holder.execute("BEGIN EXCLUSIVE")
    let connection = try SQLiteConnection(path: path, mode: .existing)
    let start = ContinuousClock.now
    #expect(throws: PluginFault.timedOut(.milliseconds(200))) {
      try connection.use(interruption(.milliseconds(200))) { (store) throws(PluginFault) in
        try ProductStore.probe(store)
      }
    }
    let elapsed = ContinuousClock.now - start
    #expect(elapsed >= .milliseconds(190) && elapsed < .seconds(5))
    try holder.execute("COMMIT")
    let count = try connection.use(interruption()) { (store) throws(PluginFault) in
      try ProductStore.probe(store)
    }
    #expect(count == Int64(SampleProducts.all.count))
  }

  @Test func aLongQueryEndsAtTheDeadline() throws {
    let start = ContinuousClock.now
    #expect(throws: PluginFault.timedOut(.milliseconds(100))) {
      try SQLiteConnection(path: path, mode: .create).use(interruption(.milliseconds(100))) {
        (store) throws(PluginFault) in
        try store.query(
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
          []
        ) { _ in true }
      }
    }
    #expect(ContinuousClock.now - start < .seconds(5))
  }

  @Test func cancellationEndsALockWaitAndALongQuery() async throws {
    try withStore { _ in }
    let holder = try SQLiteConnection(path: path, mode: .existing)
    try holder.execute("BEGIN EXCLUSIVE")
    for query in [
      "SELECT count(*) FROM products",
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    ] {
      let interruption = interruption()
      let path = path
      async let cancelled: Void = {
        try? await Task.sleep(for: .milliseconds(50))
        interruption.cancel()
      }()
      #expect(throws: PluginFault.cancelled) {
        try SQLiteConnection(path: path, mode: .existing).use(interruption) {
          (store) throws(PluginFault) in
          try store.query(query, []) { _ in true }
        }
      }
      await cancelled
    }
  }

  @Test func openErrorsNameThePathAndTheReason() throws {
    #expect(
      throws: PluginFault.database(
        "cannot open /nowhere/p.db: unable to open database file (No such file or directory)")
    ) { try SQLiteConnection(path: "/nowhere/p.db", mode: .create) }
    folder.write(Array(repeating: UInt8(ascii: "x"), count: 8192), to: path)
    #expect(throws: PluginFault.database("file is not a database")) { try withStore { _ in } }
  }

  @Test func manyThatSeedAtOnceSeedOnce() throws {
    for round in 0..<20 {
      let path = "\(path).\(round)"
      let faults = Guarded([PluginFault]())
      onThreads(4) { _ in
        do throws(PluginFault) {
          try SQLiteConnection(path: path, mode: .create).use(
            Interruption(limit: TimeLimit(.seconds(20)))
          ) { (store) throws(PluginFault) in try ProductStore.prepare(store) }
        } catch {
          faults.withLock { $0.append(error) }
        }
      }
      #expect(faults.withLock { $0 } == [])
    }
  }
}
