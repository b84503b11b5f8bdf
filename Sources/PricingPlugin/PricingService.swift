internal import Outboard

/// The running plugin: an engine, and the connections that its pool's threads use.
///
/// A call goes host thread -> loop -> pool thread -> loop -> host thread. The loop waits for the
/// database without blocking, so that any number of calls, and other I/O with them, are under way
/// at once; only the pool's threads block.
final class PricingService: Sendable {
  private let engine: Engine
  private let connections: ConnectionPool
  private let timeout: Duration

  /// Starts the engine and opens the database, all within the timeout.
  @available(*, noasync)
  init(_ configuration: Configuration) throws(PluginFault) {
    let timeout = configuration.timeout
    let connections = ConnectionPool(
      path: try configuration.database.path(), limit: configuration.maxConnections)
    var options = Engine.Configuration()
    options.name = "pricing"
    options.startTimeout = timeout
    // A thread per connection: more could only wait for one.
    options.offload.threads = configuration.maxConnections
    options.offload.hardLimit = configuration.maxConnections
    do {
      engine = try Engine(options) { engine in
        try await engine.query(connections, TimeLimit(timeout), .create, ProductStore.prepare)
      }
    } catch {
      throw PluginFault(error, limit: timeout)
    }
    self.connections = connections
    self.timeout = timeout
  }

  /// Runs a call and waits for its answer, until the timeout at most.
  @available(*, noasync)
  func answer(_ call: ToolCall) throws(PluginFault) -> Reply {
    let limit = TimeLimit(timeout)
    do {
      let answer = try engine.callAndWait(deadline: .after(timeout), name: "tool call") {
        try await self.perform(call, limit)
      }
      return Reply(answer)
    } catch {
      throw PluginFault(error, limit: timeout)
    }
  }

  /// Every step runs on the loop.
  private func perform(_ call: ToolCall, _ limit: TimeLimit) async throws -> ToolAnswer {
    switch call {
    case .price(let id):
      return .product(
        try await engine.query(connections, limit) { (store) throws(PluginFault) in
          try ProductStore.product(id, store)
        })
    case .search(let text):
      return .found(
        try await engine.query(connections, limit) { (store) throws(PluginFault) in
          try ProductStore.search(text, store)
        })
    case .health:
      let connections = connections
      let count = try await engine.query(connections, limit) { (store) throws(PluginFault) in
        try connections.checkFile()
        return try ProductStore.probe(store)
      }
      return .health(
        HealthReport(
          database: connections.path, products: count, connections: connections.count,
          engine: try engine.statistics()))
    }
  }
}

extension Engine {
  /// Runs a query on a pool thread with a connection of its own. Cancelling the task, or the
  /// limit, interrupts it.
  fileprivate func query<Result: Sendable>(
    _ connections: ConnectionPool, _ limit: TimeLimit,
    _ mode: SQLiteConnection.Mode = .existing,
    _ body: @escaping @Sendable (SQLiteConnection) throws(PluginFault) -> Result
  ) async throws -> Result {
    let interruption = Interruption(limit: limit)
    return try await withTaskCancellationHandler {
      try await offload(deadline: .after(limit.remaining), name: "database query") {
        try connections.withConnection(interruption, mode: mode, body)
      }
    } onCancel: {
      interruption.cancel()
    }
  }
}
