internal import COutboard

/// An open file, read and written at any place by any number of tasks, on the engine's pool.
///
/// The system has no way to wait for a file: each operation has a thread of the pool as long as it
/// lasts. One that runs is awaited even when its task is cancelled or its engine stops. The file is
/// closed by ``close()`` or with its last reference.
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
  /// - Returns: Bytes.
  /// - Throws: ``EngineError/io(_:)``, ``EngineError/closed(_:)``, and as for `offload`.
  public func size() async throws(EngineError) -> Int {
    try await executor.offloaded { [box] () throws(EngineError) in
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
  /// - Returns: The bytes, read by the system where they are returned.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for a negative number; and as for ``size()``.
  public func read(_ count: Int, at offset: Int) async throws(EngineError) -> [UInt8] {
    guard count >= 0, offset >= 0 else {
      throw .invalidArgument("\(count) bytes at \(offset) of \(box.path): neither may be negative")
    }
    return try await executor.offloaded { [box] () throws(EngineError) in
      try FileBytes.read(box, count, at: offset)
    }
  }

  /// Writes all bytes to a place in it; beyond its end it grows.
  ///
  /// - Parameters:
  ///   - bytes: Not copied but by the system.
  ///   - offset: From its beginning, in bytes.
  /// - Throws: ``EngineError/io(_:)``: a part may have been written;
  ///   ``EngineError/invalidArgument(_:)`` for a negative number; and as for ``size()``.
  public func write(_ bytes: [UInt8], at offset: Int) async throws(EngineError) {
    guard offset >= 0 else { throw .invalidArgument("a write at \(offset) of \(box.path)") }
    try await executor.offloaded { [box] () throws(EngineError) in
      try FileBytes.write(box, bytes, at: offset)
    }
  }

  /// Cuts it off, or lets it grow with zeros.
  ///
  /// - Parameter size: Bytes.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for a negative number; and as for ``size()``.
  public func truncate(to size: Int) async throws(EngineError) {
    guard size >= 0 else { throw .invalidArgument("a size of \(size) bytes for \(box.path)") }
    try await executor.offloaded { [box] () throws(EngineError) in
      let code = try box.use { ob_spi_file_truncate($0, Int64(size)) }
      guard code == 0 else { throw .io(code, "truncate \(box.path)") }
    }
  }

  /// Waits until the disk has what was written.
  ///
  /// - Throws: As for ``size()``.
  public func sync() async throws(EngineError) {
    try await executor.offloaded { [box] () throws(EngineError) in try FileBytes.sync(box) }
  }
}
