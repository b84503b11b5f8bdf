extension Engine {
  /// Opens a file, on the pool.
  ///
  /// - Parameters:
  ///   - path: Of the file.
  ///   - mode: To read, to write, or a new one.
  ///   - permissions: Of one that is made, before the process's umask.
  ///   - deadline: When to stop waiting.
  /// - Returns: The file.
  /// - Throws: ``EngineError/io(_:)`` with `ENOENT`, `EACCES`, `EEXIST` and the like;
  ///   ``EngineError/invalidArgument(_:)``; and as for `offload`.
  public func openFile(
    _ path: String, _ mode: FileMode = .read, permissions: UInt16 = 0o644,
    deadline: Deadline = .never
  ) async throws(EngineError) -> File {
    try Self.check(path)
    let box = try await executor.abandonable(deadline) { () throws(EngineError) in
      try FileBytes.open(path, mode.flags, permissions: UInt32(permissions))
    }
    return File(executor, box)
  }

  /// Reads a whole file, on the pool.
  ///
  /// - Parameters:
  ///   - path: Of the file.
  ///   - limit: Most bytes; a longer file is an error.
  ///   - deadline: When to stop waiting.
  /// - Returns: Its bytes.
  /// - Throws: ``EngineError/io(_:)``, ``EngineError/tooLarge(_:)``,
  ///   ``EngineError/invalidArgument(_:)``; and as for `offload`.
  public func readFile(
    _ path: String, limit: Int = 1 << 28, deadline: Deadline = .never
  ) async throws(EngineError) -> [UInt8] {
    try Self.check(path)
    guard limit >= 0 else { throw .invalidArgument("a limit of \(limit) bytes for \(path)") }
    return try await executor.abandonable(deadline) { () throws(EngineError) in
      try FileBytes.readAll(path, limit: limit)
    }
  }

  /// Writes a whole file, on the pool: whoever reads it finds what was there before or all of this,
  /// whatever happens.
  ///
  /// It is written beside the path, brought to the disk, and renamed. A file that was there is
  /// replaced, with its owner and permissions; so is a symbolic link.
  ///
  /// - Parameters:
  ///   - path: Of the file.
  ///   - bytes: Not copied but by the system.
  ///   - permissions: Before the process's umask.
  ///   - deadline: When to stop waiting; it is written nevertheless.
  /// - Throws: ``EngineError/io(_:)``: then what was there is still there;
  ///   ``EngineError/invalidArgument(_:)``; and as for `offload`.
  public func writeFile(
    _ path: String, _ bytes: [UInt8], permissions: UInt16 = 0o644,
    deadline: Deadline = .never
  ) async throws(EngineError) {
    try Self.check(path)
    try await executor.abandonable(deadline) { () throws(EngineError) in
      try FileBytes.replace(path, bytes, permissions: UInt32(permissions))
    }
  }

  private static func check(_ path: String) throws(EngineError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw .invalidArgument("an empty path, or one with a NUL byte, for a file")
    }
  }
}
