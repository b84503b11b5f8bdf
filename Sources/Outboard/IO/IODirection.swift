internal import COutboard

/// What a descriptor is waited for.
enum IODirection: UInt32, Sendable, CaseIterable {
  /// Bytes, a connection, the end, or an error.
  case read = 1
  /// Room, or an error.
  case write = 2

  /// For messages.
  var waiter: String {
    switch self {
    case .read: "reader"
    case .write: "writer"
    }
  }
}
