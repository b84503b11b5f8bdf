internal import COutboard

/// An open file, read and written at any place by any number of tasks, on the engine's pool.
///
/// The system has no way to wait for a file, nor to interrupt one who does: each operation has a
/// thread of the pool as long as it lasts. At its deadline, and when its task is cancelled, it is left
/// to end by itself, so that something may still be written then. The file is closed by ``close()``
/// or with its last reference.
public final class File: Sendable {
  private let executor: LoopExecutor
  private let box: FileDescriptorBox

  init(_ executor: LoopExecutor, _ box: FileDescriptorBox) {
    self.executor = executor
    self.box = box
  }

  /// Closes it, when operations under way have ended; later ones fail. Any thread; again is fine.
  public func close() { box.close() }

  /// Its size now.
  ///
  /// - Parameter deadline: When to stop waiting.
  /// - Returns: Bytes.
  /// - Throws: ``EngineError/io(_:)``, ``EngineError/closed(_:)``, and as for `offload`.
  public func size(deadline: Deadline = .never) async throws(EngineError) -> Int {
    try await executor.abandonable(deadline) { [box] () throws(EngineError) in
      let size = try box.use { ob_spi_file_size($0) }
      guard size >= 0 else { throw .io(Int32(-size), "ask for the size of \(box.path)") }
      return Int(size)
    }
  }

  /// Reads from a place in it.
  ///
  /// - Parameters:
  ///   - count: Most bytes; fewer come at its end only.
  ///   - offset: From its beginning, in bytes.
  ///   - deadline: When to stop waiting.
  /// - Returns: The bytes, read by the system where they are returned.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for a negative number; and as for ``size(deadline:)``.
  public func read(
    _ count: Int, at offset: Int, deadline: Deadline = .never
  ) async throws(EngineError) -> [UInt8] {
    guard count >= 0, offset >= 0 else {
      throw .invalidArgument("\(count) bytes at \(offset) of \(box.path): neither may be negative")
    }
    return try await executor.abandonable(deadline) { [box] () throws(EngineError) in
      try FileBytes.read(box, count, at: offset)
    }
  }

  /// Writes all bytes to a place in it; beyond its end it grows.
  ///
  /// - Parameters:
  ///   - bytes: Not copied but by the system.
  ///   - offset: From its beginning, in bytes.
  ///   - deadline: When to stop waiting.
  /// - Throws: ``EngineError/io(_:)``: a part may have been written;
  ///   ``EngineError/invalidArgument(_:)`` for a negative number; and as for ``size(deadline:)``.
  public func write(
    _ bytes: [UInt8], at offset: Int, deadline: Deadline = .never
  ) async throws(EngineError) {
    guard offset >= 0 else { throw .invalidArgument("a write at \(offset) of \(box.path)") }
    try await executor.abandonable(deadline) { [box] () throws(EngineError) in
      try FileBytes.write(box, bytes, at: offset)
    }
  }

  /// Cuts it off, or lets it grow with zeros.
  ///
  /// - Parameters:
  ///   - size: Bytes.
  ///   - deadline: When to stop waiting.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for a negative number; and as for ``size(deadline:)``.
  public func truncate(
    to size: Int, deadline: Deadline = .never
  ) async throws(EngineError) {
    guard size >= 0 else { throw .invalidArgument("a size of \(size) bytes for \(box.path)") }
    try await executor.abandonable(deadline) { [box] () throws(EngineError) in
      let code = try box.use { ob_spi_file_truncate($0, Int64(size)) }
      guard code == 0 else { throw .io(code, "truncate \(box.path)") }
    }
  }

  /// Waits until the disk has what was written.
  ///
  /// - Parameter deadline: When to stop waiting.
  /// - Throws: As for ``size(deadline:)``.
  public func sync(deadline: Deadline = .never) async throws(EngineError) {
    try await executor.abandonable(deadline) { [box] () throws(EngineError) in
      try FileBytes.sync(box)
    }
  }
}
