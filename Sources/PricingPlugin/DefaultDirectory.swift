internal import Glibc

/// Where the plugin's own database lives when the host names none.
enum DefaultDirectory {
  /// Folders to try, best first: `$XDG_CACHE_HOME/outboard`, `~/.cache/outboard`,
  /// `$TMPDIR/outboard-UID`. Variables that are no absolute path do not count.
  static func candidates(
    user: UInt32, environment: (String) -> String?
  ) -> [String] {
    func folder(_ variable: String) -> String? {
      guard let path = environment(variable), path.hasPrefix("/") else { return nil }
      return path == "/" ? "" : path
    }
    var candidates: [String] = []
    if let cache = folder("XDG_CACHE_HOME") { candidates.append("\(cache)/outboard") }
    if let home = folder("HOME") { candidates.append("\(home)/.cache/outboard") }
    candidates.append("\(folder("TMPDIR") ?? "/tmp")/outboard-\(user)")
    return candidates
  }

  /// The path of the database in the first candidate that can be had.
  ///
  /// - Throws: `database` with the last candidate's reason.
  static func databasePath() throws(PluginFault) -> String {
    var reason = PluginFault.database("no folder for the database")
    let candidates = candidates(user: geteuid()) { name in
      unsafe getenv(name).map { unsafe String(cString: $0) }
    }
    for folder in candidates {
      do throws(PluginFault) {
        try make(folder)
        return "\(folder)/pricing.db"
      } catch {
        reason = error
      }
    }
    throw reason
  }

  /// Makes a folder and those above it, and checks that nobody else can put files into it: in a
  /// shared /tmp anybody may have made it first.
  static func make(_ folder: String) throws(PluginFault) {
    var path = ""
    for part in folder.split(separator: "/") {
      path += "/\(part)"
      if unsafe mkdir(path, 0o700) != 0, errno != EEXIST {
        throw .database("cannot make \(path): \(systemText())")
      }
    }
    var status = stat()
    guard unsafe lstat(folder, &status) == 0 else {
      throw .database("cannot look at \(folder): \(systemText())")
    }
    guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
      status.st_mode & 0o022 == 0
    else {
      throw .database("\(folder) is not a folder of this user's alone")
    }
    guard unsafe access(folder, W_OK | X_OK) == 0 else {
      throw .database("cannot write to \(folder): \(systemText())")
    }
  }

  private static func systemText() -> String {
    unsafe String(cString: strerror(errno))
  }
}
