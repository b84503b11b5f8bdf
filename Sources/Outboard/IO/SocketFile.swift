internal import COutboard

/// The file of a Unix-domain socket that was made here.
struct SocketFile: Sendable {
  private let path: String
  private let identity: (UInt64, UInt64)

  /// Nil when the path names no socket.
  init?(_ path: String) {
    var identity: (UInt64, UInt64) = (0, 0)
    let found = unsafe withUnsafeMutablePointer(to: &identity) { identity in
      unsafe identity.withMemoryRebound(to: UInt64.self, capacity: 2) {
        unsafe ob_spi_file_identity(path, $0)
      }
    }
    guard found == 1 else { return nil }
    self.path = path
    self.identity = identity
  }

  /// Removes the path, if it still names this file.
  func remove() {
    unsafe withUnsafePointer(to: identity) { identity in
      unsafe identity.withMemoryRebound(to: UInt64.self, capacity: 2) {
        unsafe ob_spi_unlink_same(path, $0)
      }
    }
  }
}
