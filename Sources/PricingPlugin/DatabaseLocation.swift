/// A database, as `database_url` names it.
enum DatabaseLocation: Equatable, Sendable {
  /// The plugin's own file; see `DefaultDirectory`.
  case standard
  /// A file.
  case file(String)
  /// One private database in memory. It lives in a single connection.
  case memory

  /// Reads `sqlite:PATH`, `sqlite:///PATH` or `sqlite::memory:`. The path is
  /// taken literally: no escapes, no parameters.
  init(url: String) throws(PluginFault) {
    let scheme = "sqlite:"
    guard url.hasPrefix(scheme) else {
      // Not the URL itself: it may hold a password.
      throw .invalid("database_url must begin with sqlite: and a file's path")
    }
    var path = url.dropFirst(scheme.count)
    if path.hasPrefix("///") { path = path.dropFirst(2) }
    guard !path.isEmpty, !path.hasPrefix("//") else {
      throw .invalid("database_url needs a file's path, as in sqlite:/srv/products.db")
    }
    guard !path.utf8.contains(0) else {
      throw .invalid("database_url must not contain a NUL")
    }
    self = path == ":memory:" ? .memory : .file(String(path))
  }
}
