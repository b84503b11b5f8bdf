import Testing

@testable import PricingPlugin

@Suite(.timeLimit(.minutes(1)))
struct PoolTests {
  private let folder: TemporaryFolder
  private let path: String

  init() throws {
    folder = try TemporaryFolder()
    path = "\(folder.path)/products.db"
  }

  private func interruption(_ limit: Duration = .seconds(20)) -> Interruption {
    Interruption(limit: TimeLimit(limit))
  }

  private func prepared(_ limit: Int) throws(PluginFault) -> ConnectionPool {
    let pool = ConnectionPool(path: path, limit: limit)
    try pool.withConnection(interruption(), mode: .create) { (store) throws(PluginFault) in
      try ProductStore.prepare(store)
    }
    return pool
  }

  private func probe(_ pool: ConnectionPool) throws(PluginFault) -> Int64 {
    try pool.withConnection(interruption()) { (store) throws(PluginFault) in
      try ProductStore.probe(store)
    }
  }

  @Test func connectionsAreUsedAgain() throws {
    let pool = try prepared(5)
    for _ in 0..<10 { _ = try probe(pool) }
    #expect(pool.count == 1)
  }

  @Test func theWaitForAConnectionEndsAtTheDeadline() throws {
    let pool = try prepared(1)
    try pool.withConnection(interruption()) { (_) throws(PluginFault) in
      let start = ContinuousClock.now
      #expect(throws: PluginFault.timedOut(.milliseconds(100))) {
        try pool.withConnection(interruption(.milliseconds(100))) { _ in }
      }
      #expect(ContinuousClock.now - start < .seconds(5))
      let cancelled = interruption()
      cancelled.cancel()
      #expect(throws: PluginFault.cancelled) { try pool.withConnection(cancelled) { _ in } }
      #expect(pool.count == 1)
    }
    #expect(try probe(pool) > 0)
  }

  @Test func noMoreThanTheLimitAreLentAtOnce() async throws {
    let pool = try prepared(2)
    let inUse = Guarded((now: 0, most: 0))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try pool.withConnection(interruption()) { (store) throws(PluginFault) in
            inUse.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            _ = try ProductStore.product(1, store)
            inUse.withLock { $0.now -= 1 }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(inUse.withLock { $0.most } <= 2)
    #expect(pool.count <= 2)
  }

  @Test func aFileThatIsGoneIsNoticedAndNotMadeAgain() throws {
    let pool = try prepared(2)
    folder.run("rm", path)
    let fault = #expect(throws: PluginFault.self) { try probe(pool) }
    #expect(fault?.description.contains("No such file") == true, "\(fault as Any)")
    #expect(pool.count == 0)
    folder.run("test", "!", "-e", path)
    // A new file in its place is used at once.
    let other = ConnectionPool(path: path, limit: 1)
    try other.withConnection(interruption(), mode: .create) { (store) throws(PluginFault) in
      try ProductStore.prepare(store)
    }
    #expect(try probe(pool) > 0)
  }

  @Test func aReplacedFileIsReadAfresh() throws {
    let pool = try prepared(1)
    let copy = "\(folder.path)/copy.db"
    folder.run("cp", path, copy)
    try SQLiteConnection(path: copy, mode: .existing).execute("DELETE FROM products WHERE id > 3")
    #expect(try probe(pool) > 3)
    folder.run("mv", copy, path)
    #expect(try probe(pool) == 3)
  }

  @Test func damageShowsAndTheConnectionIsGivenUp() throws {
    let pool = try prepared(1)
    #expect(try probe(pool) > 0)
    folder.write(Array(repeating: 0x78, count: 20_000), to: path)
    #expect(throws: PluginFault.database("file is not a database")) { try probe(pool) }
    #expect(pool.count == 0)
  }

  @Test func aDatabaseInMemoryHasOneConnectionAndKeepsIt() throws {
    let pool = ConnectionPool(path: ConnectionPool.memory, limit: 5)
    try pool.withConnection(interruption(), mode: .create) { (store) throws(PluginFault) in
      try ProductStore.prepare(store)
    }
    #expect(throws: PluginFault.self) {
      try pool.withConnection(interruption()) { (store) throws(PluginFault) in
        try store.execute("SELECT * FROM nonsense")
      }
    }
    #expect(try probe(pool) == Int64(SampleProducts.all.count))
    #expect(pool.count == 1)
  }
}
