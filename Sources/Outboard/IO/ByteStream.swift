internal import COutboard
internal import Synchronization

/// Bytes in order, in and out: a TCP or Unix-domain connection, or one end of a pipe.
///
/// Bytes go straight between the system and the caller's memory. What is there is read, and what
/// there is room for is written, on the calling thread; only what has to wait goes through the loop.
/// So a writer is held back until its peer has read, however much it has to write.
///
/// At most one task may read and one write at a time. The stream is closed by ``close()`` or with its
/// last reference. When its engine stops, reads and writes fail with ``EngineError/shutdown``.
public final class ByteStream: Sendable {
  /// What the descriptor is.
  enum Kind {
    case socket
    case pipe
  }

  let descriptor: OwnedDescriptor
  private let kind: Kind

  init(_ descriptor: OwnedDescriptor, _ kind: Kind) {
    self.descriptor = descriptor
    self.kind = kind
  }

  /// Closes the stream: an operation under way fails with ``EngineError/closed(_:)``. Any thread;
  /// never blocks; again is fine.
  public func close() { descriptor.close() }

  // MARK: Reading

  /// Reads what there is, once there is something.
  ///
  /// - Parameters:
  ///   - span: Where to; at least one byte.
  ///   - deadline: When to give up.
  /// - Returns: How many bytes; 0 at the end.
  /// - Throws: ``EngineError/io(_:)``, ``EngineError/closed(_:)``, ``EngineError/busy(_:)`` when
  ///   another task reads, ``EngineError/invalidArgument(_:)`` for an empty span,
  ///   ``EngineError/timedOut(_:)``, ``EngineError/cancelled``, ``EngineError/shutdown``,
  ///   ``EngineError/forked``. Nothing is lost: what was not returned is still there to be read.
  public func read(
    into span: inout MutableSpan<UInt8>, deadline: Deadline = .never
  ) async throws(EngineError) -> Int {
    guard !span.isEmpty else {
      throw .invalidArgument("an empty span to read into: 0 would look like the end")
    }
    return try await read(into: &span, at: 0, deadline: deadline)
  }

  /// The same, to a place in the span before its end.
  func read(
    into span: inout MutableSpan<UInt8>, at offset: Int, deadline: Deadline
  ) async throws(EngineError) -> Int {
    let expiry = try descriptor.start(.read, deadline)
    defer { descriptor.finish(.read) }
    while true {
      let fd = try descriptor.enter()
      let answer = unsafe span.withUnsafeMutableBytes { bytes in
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[offset...])
        return unsafe ob_spi_read(fd, free.baseAddress, free.count)
      }
      descriptor.leave()
      if let count = try descriptor.count(answer, "read from \(descriptor.name)") {
        await descriptor.breathe()
        return count
      }
      try await descriptor.wait(.read, expiry)
    }
  }

  // MARK: Writing

  /// Writes all bytes, waiting whenever the peer has to read first.
  ///
  /// After an error a part may have been written, so that a stream whose peer expects whole messages
  /// is of no use any more.
  ///
  /// - Parameters:
  ///   - bytes: Borrowed until the end; not copied but by the system.
  ///   - deadline: When to give up.
  /// - Throws: As for `read`; ``EngineError/io(_:)`` with `EPIPE` or `ECONNRESET` when the peer has
  ///   gone: `SIGPIPE` is never raised.
  public func write(
    _ bytes: RawSpan, deadline: Deadline = .never
  ) async throws(EngineError) {
    let expiry = try descriptor.start(.write, deadline)
    defer { descriptor.finish(.write) }
    var written = 0
    while written < bytes.byteCount {
      let fd = try descriptor.enter()
      let answer = unsafe bytes.extracting(droppingFirst: written).withUnsafeBytes { rest in
        kind == .socket
          ? unsafe ob_spi_send(fd, rest.baseAddress, rest.count)
          : unsafe ob_spi_write(fd, rest.baseAddress, rest.count)
      }
      descriptor.leave()
      if let count = try descriptor.count(answer, "write to \(descriptor.name)") {
        written += count
      } else {
        try await descriptor.wait(.write, expiry)
      }
    }
    await descriptor.breathe()
  }

  /// Says that no more bytes will come: the peer reads the end, and may still write.
  ///
  /// Closes a pipe, which has no other direction.
  ///
  /// - Throws: ``EngineError/io(_:)``, ``EngineError/closed(_:)``, ``EngineError/busy(_:)`` while a
  ///   task writes, ``EngineError/shutdown``, ``EngineError/forked``.
  public func finishWriting() throws(EngineError) {
    guard kind == .socket else { return close() }
    try descriptor.take(.write)
    defer { descriptor.finish(.write) }
    let code = try descriptor.use { fd in ob_spi_finish_writing(fd) }
    guard code == 0 else { throw .io(code, "end the writing to \(descriptor.name)") }
  }
}

extension ByteStream: CustomStringConvertible {
  /// What it connects: "the connection to 127.0.0.1:80".
  public var description: String { descriptor.name }
}
