internal import CSQLite
internal import Glibc

/// One connection to a database. One thread at a time; the pool sees to that.
@safe final class SQLiteConnection {
  /// Whether a database that is not there may be made.
  enum Mode {
    case create
    case existing
  }

  private let handle: OpaquePointer
  private var statements: [String: SQLiteStatement] = [:]

  /// Opens a database.
  ///
  /// - Throws: `database` with SQLite's reason and the path.
  init(path: String, mode: Mode) throws(PluginFault) {
    var opened: OpaquePointer?
    // NOMUTEX: the pool gives a connection to one thread at a time.
    // No OPEN_URI: the path is a path.
    var flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    if mode == .create { flags |= SQLITE_OPEN_CREATE }
    let code = unsafe sqlite3_open_v2(path, &opened, flags, nil)
    guard code == SQLITE_OK, let handle = unsafe opened else {
      let reason = unsafe String(cString: sqlite3_errstr(code))
      let cause = unsafe opened.flatMap { unsafe sqlite3_system_errno($0) } ?? 0
      unsafe sqlite3_close_v2(opened)
      let detail = cause != 0 ? unsafe " (\(String(cString: strerror(cause))))" : ""
      throw .database("cannot open \(path): \(reason)\(detail)")
    }
    unsafe self.handle = handle
  }

  deinit {
    statements.removeAll()  // a connection with open statements would linger
    unsafe sqlite3_close_v2(handle)
  }

  /// Whether the file was deleted or replaced under the connection.
  var hasMoved: Bool { unsafe csqlite_has_moved(handle) == 1 }

  /// Lets a call use the connection until its interruption ends that.
  ///
  /// - Throws: What the body throws. Work that was interrupted, or waited for a lock until the
  ///   deadline, throws the interruption's fault in place of SQLite's.
  func use<Result>(
    _ interruption: Interruption,
    _ body: (SQLiteConnection) throws(PluginFault) -> Result
  ) throws(PluginFault) -> Result {
    let watcher = unsafe Unmanaged.passUnretained(interruption).toOpaque()
    unsafe sqlite3_busy_handler(handle, waitForLock, watcher)
    unsafe sqlite3_progress_handler(handle, 1000, mayGoOn, watcher)
    defer {
      unsafe sqlite3_busy_handler(handle, nil, nil)
      unsafe sqlite3_progress_handler(handle, 0, nil, nil)
    }
    do throws(PluginFault) {
      return try unsafe interruption.attach(handle) { () throws(PluginFault) in try body(self) }
    } catch {
      if case .database = error { throw interruption.fault ?? error }
      throw error
    }
  }

  /// Runs statements that return nothing.
  func execute(_ sql: String) throws(PluginFault) {
    let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
    if code != SQLITE_OK { throw failure(code) }
  }

  /// Runs a body inside a transaction that writes; rolled back when it throws.
  func transaction(_ body: () throws(PluginFault) -> Void) throws(PluginFault) {
    try execute("BEGIN IMMEDIATE")
    do throws(PluginFault) {
      try body()
      try execute("COMMIT")
    } catch {
      unsafe sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
      throw error
    }
  }

  /// Steps through a query's rows; its statement is kept for the next time.
  ///
  /// - Parameters:
  ///   - sql: One statement.
  ///   - values: For its parameters, in order.
  ///   - row: Runs for each row until it returns false.
  /// - Throws: `database`, and what `row` throws.
  func query(
    _ sql: String, _ values: [SQLiteValue], row: (SQLiteStatement) throws(PluginFault) -> Bool
  ) throws(PluginFault) {
    let statement = try prepared(sql)
    defer { statement.reset() }
    var code = statement.bind(values)
    if code != SQLITE_OK { throw failure(code) }
    repeat {
      code = statement.step()
      if code == SQLITE_ROW, try !row(statement) { return }
    } while code == SQLITE_ROW
    if code != SQLITE_DONE { throw failure(code) }
  }

  private func prepared(_ sql: String) throws(PluginFault) -> SQLiteStatement {
    if let statement = statements[sql] { return statement }
    var prepared: OpaquePointer?
    let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
    let code = unsafe sqlite3_prepare_v3(handle, sql, -1, flags, &prepared, nil)
    guard code == SQLITE_OK, let handle = unsafe prepared else { throw failure(code) }
    let statement = unsafe SQLiteStatement(handle)
    statements[sql] = statement
    return statement
  }

  private func failure(_ code: Int32) -> PluginFault {
    .database(unsafe String(cString: sqlite3_errmsg(handle)))
  }
}

/// SQLite's busy handler: waits a little for another connection's lock. 0 gives up.
private func waitForLock(_ watcher: UnsafeMutableRawPointer?, _ attempts: Int32) -> Int32 {
  guard let watcher = unsafe watcher else { return 0 }
  let interruption = unsafe Unmanaged<Interruption>.fromOpaque(watcher).takeUnretainedValue()
  guard interruption.fault == nil else { return 0 }
  usleep(UInt32(min(10_000, 250 << min(attempts, 6))))
  return 1
}

/// SQLite's progress handler: 1 interrupts.
private func mayGoOn(_ watcher: UnsafeMutableRawPointer?) -> Int32 {
  guard let watcher = unsafe watcher else { return 0 }
  let interruption = unsafe Unmanaged<Interruption>.fromOpaque(watcher).takeUnretainedValue()
  return interruption.fault == nil ? 0 : 1
}
