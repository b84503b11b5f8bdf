internal import CSQLite

/// Ends a call's work on a connection: on its deadline, or when someone else says so.
///
/// The working thread attaches the connection while it uses it. `cancel` may come at any time on
/// any thread: it interrupts the connection if there is one attached, and only then, so that it
/// never hits the next user.
final class Interruption: Sendable {
  let limit: TimeLimit
  private let state = Guarded(State())

  // `connection` is protected by the lock; SQLite allows the interrupt on any thread while the
  // connection is open.
  @safe private struct State: @unchecked Sendable {
    var cancelled = false
    var connection: OpaquePointer?
  }

  init(limit: TimeLimit) {
    self.limit = limit
  }

  /// Whether the work should end, and as what.
  var fault: PluginFault? {
    if state.withLock({ $0.cancelled }) { return .cancelled }
    return limit.hasExpired ? .timedOut(limit.total) : nil
  }

  /// Asks the work to end. Any thread, any number of times.
  func cancel() {
    state.withLock { state in
      state.cancelled = true
      if let connection = unsafe state.connection { unsafe sqlite3_interrupt(connection) }
    }
  }

  /// The thread begins to use a connection, and lets go of it before it returns.
  ///
  /// - Throws: What `fault` says, before the body has run.
  func attach<Result>(
    _ connection: OpaquePointer, _ body: () throws(PluginFault) -> Result
  ) throws(PluginFault) -> Result {
    if let fault { throw fault }
    state.withLock { unsafe $0.connection = connection }
    defer { state.withLock { unsafe $0.connection = nil } }
    return try body()
  }
}
