internal import CSQLite

/// A value for a parameter.
enum SQLiteValue: Equatable {
  case integer(Int64)
  case text(String)
}

/// How a column is stored.
enum SQLiteStorage: Equatable {
  case integer, real, text, blob, null
}

/// A compiled statement; belongs to its connection, and to the thread that uses that.
@safe final class SQLiteStatement {
  private let handle: OpaquePointer

  /// Takes over the statement.
  init(_ handle: OpaquePointer) {
    unsafe self.handle = handle
  }

  deinit {
    unsafe sqlite3_finalize(handle)
  }

  func step() -> Int32 { unsafe sqlite3_step(handle) }

  /// Ends a run and forgets its parameters, so that no lock and no copy stays behind.
  func reset() {
    unsafe sqlite3_reset(handle)
    unsafe sqlite3_clear_bindings(handle)
  }

  func bind(_ values: [SQLiteValue]) -> Int32 {
    for (index, value) in values.enumerated() {
      let code = bind(value, at: Int32(index + 1))
      if code != SQLITE_OK { return code }
    }
    return SQLITE_OK
  }

  private func bind(_ value: SQLiteValue, at index: Int32) -> Int32 {
    switch value {
    case .integer(let number):
      return unsafe sqlite3_bind_int64(handle, index, number)
    case .text(var text):
      return text.withUTF8 { bytes in
        guard let size = Int32(exactly: bytes.count) else { return SQLITE_TOOBIG }
        // An empty text has no address, and NULL would bind as SQL's NULL.
        guard let start = bytes.baseAddress else {
          return unsafe csqlite_bind_text(handle, index, "", 0)
        }
        return unsafe start.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
          unsafe csqlite_bind_text(handle, index, $0, size)
        }
      }
    }
  }

  func storage(_ column: Int32) -> SQLiteStorage {
    switch unsafe sqlite3_column_type(handle, column) {
    case SQLITE_INTEGER: .integer
    case SQLITE_FLOAT: .real
    case SQLITE_TEXT: .text
    case SQLITE_BLOB: .blob
    default: .null
    }
  }

  func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, column) }

  /// A column as text; invalid UTF-8 is repaired, NULL is empty.
  func text(_ column: Int32) -> String {
    guard let start = unsafe sqlite3_column_text(handle, column) else { return "" }
    let size = unsafe Int(sqlite3_column_bytes(handle, column))
    return unsafe String(decoding: UnsafeBufferPointer(start: start, count: size), as: UTF8.self)
  }
}
