internal import Glibc

/// A bounded number of connections to one database, each lent to one call at a time.
final class ConnectionPool: Sendable {
  let path: String
  private let limit: Int
  private let state = Guarded(State())

  // A connection is here or with the one call that took it; never both.
  private struct State: @unchecked Sendable {
    var idle: [SQLiteConnection] = []
    var open = 0  // idle ones and those lent out
  }

  /// What a call gets.
  private enum Turn: @unchecked Sendable {  // as State
    case take(SQLiteConnection)
    case open
  }

  /// The path of a database in memory, which one connection has for itself.
  static let memory = ":memory:"

  /// - Parameters:
  ///   - path: The database's file, or `memory`.
  ///   - limit: Most connections at once.
  init(path: String, limit: Int) {
    self.path = path
    self.limit = path == Self.memory ? 1 : limit
  }

  /// Connections that are open now.
  var count: Int { state.withLock { $0.open } }

  /// Makes sure that the file could be opened again: an open connection outlives a lost permission.
  func checkFile() throws(PluginFault) {
    guard path != Self.memory, unsafe access(path, R_OK) != 0 else { return }
    throw .database("cannot read \(path): \(unsafe String(cString: strerror(errno)))")
  }

  /// Lends a connection to a body. Blocks while all are lent out.
  ///
  /// A connection whose file was deleted or replaced, or that failed, is closed; the next call
  /// opens another.
  ///
  /// - Parameters:
  ///   - interruption: Ends the wait and the work.
  ///   - mode: Whether a file that is not there may be made.
  ///   - body: Runs on this thread.
  /// - Returns: What the body returned.
  /// - Throws: The interruption's fault, or what opening or the body throws.
  func withConnection<Result>(
    _ interruption: Interruption, mode: SQLiteConnection.Mode = .existing,
    _ body: (SQLiteConnection) throws(PluginFault) -> Result
  ) throws(PluginFault) -> Result {
    let turn = try takeTurn(interruption)
    var keep: SQLiteConnection?
    defer { putBack(keep) }
    let connection: SQLiteConnection
    switch turn {
    case .take(let idle) where !idle.hasMoved: connection = idle
    default: connection = try SQLiteConnection(path: path, mode: mode)
    }
    keep = connection
    do throws(PluginFault) {
      return try connection.use(interruption, body)
    } catch {
      // One in memory has the data: it is never given up.
      if case .database = error, path != Self.memory { keep = nil }
      throw error
    }
  }

  private func takeTurn(_ interruption: Interruption) throws(PluginFault) -> Turn {
    // The interval is for cancellation, which does not signal.
    let interval = min(interruption.limit.remaining, .milliseconds(20))
    return try state.wait(every: interval) { (state) throws(PluginFault) -> Turn? in
      if let fault = interruption.fault { throw fault }
      if let idle = state.idle.popLast() { return .take(idle) }
      guard state.open < limit else { return nil }
      state.open += 1
      return .open
    }
  }

  /// Ends a turn; nil when its connection was closed.
  private func putBack(_ connection: SQLiteConnection?) {
    state.withLock { state in
      if let connection { state.idle.append(connection) } else { state.open -= 1 }
    }
    state.signal()
  }
}
