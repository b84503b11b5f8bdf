internal import Glibc

extension DatabaseLocation {
  /// What SQLite is given: the path from the root, as it is now. Connections are opened later too,
  /// and the host may have gone to another folder by then.
  func path() throws(PluginFault) -> String {
    switch self {
    case .standard:
      return try DefaultDirectory.databasePath()
    case .memory:
      return ConnectionPool.memory
    case .file(let path) where path.hasPrefix("/"):
      return path
    case .file(let path):
      guard let folder = unsafe getcwd(nil, 0) else {
        throw .database("cannot tell where \(path) is: \(unsafe String(cString: strerror(errno)))")
      }
      defer { unsafe free(folder) }
      return unsafe "\(String(cString: folder))/\(path)"
    }
  }
}
