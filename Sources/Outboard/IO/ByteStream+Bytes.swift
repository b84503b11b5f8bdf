extension ByteStream {
  /// Writes all bytes. See ``write(_:deadline:)-(RawSpan,_)``.
  ///
  /// - Parameters:
  ///   - bytes: Borrowed until the end.
  ///   - deadline: When to give up.
  /// - Throws: As there.
  public func write(
    _ bytes: Span<UInt8>, deadline: Deadline = .never
  ) async throws(EngineError) {
    try await unsafe write(bytes.bytes, deadline: deadline)
  }

  /// Writes all bytes of an array, which is not copied. See ``write(_:deadline:)-(RawSpan,_)``.
  ///
  /// - Parameters:
  ///   - bytes: What to write.
  ///   - deadline: When to give up.
  /// - Throws: As there.
  public func write(_ bytes: [UInt8], deadline: Deadline = .never) async throws(EngineError) {
    try await unsafe write(bytes.span.bytes, deadline: deadline)
  }

  /// Writes a text in UTF-8, which is not copied. See ``write(_:deadline:)-(RawSpan,_)``.
  ///
  /// - Parameters:
  ///   - text: What to write.
  ///   - deadline: When to give up.
  /// - Throws: As there.
  public func write(_ text: String, deadline: Deadline = .never) async throws(EngineError) {
    try await unsafe write(text.utf8Span.span.bytes, deadline: deadline)
  }

  /// Reads what there is, once there is something, into a new array.
  ///
  /// - Parameters:
  ///   - limit: The most bytes; at least one.
  ///   - deadline: When to give up.
  /// - Returns: One byte or more; none at the end.
  /// - Throws: As for ``read(into:deadline:)``.
  public func read(
    upTo limit: Int, deadline: Deadline = .never
  ) async throws(EngineError) -> [UInt8] {
    guard limit > 0 else {
      throw .invalidArgument("a limit of \(limit) bytes: at least one, or it looks like the end")
    }
    var bytes = [UInt8](repeating: 0, count: limit)
    var span = bytes.mutableSpan
    let count = try await read(into: &span, deadline: deadline)
    bytes.removeLast(limit - count)
    return bytes
  }

  /// Reads until the peer has ended its writing.
  ///
  /// - Parameters:
  ///   - limit: The most bytes that are taken; a peer that sends more is an error.
  ///   - deadline: When to give up.
  /// - Returns: All bytes.
  /// - Throws: ``EngineError/tooLarge(_:)`` when there are more, and as for ``read(into:deadline:)``.
  public func readToEnd(
    limit: Int, deadline: Deadline = .never
  ) async throws(EngineError) -> [UInt8] {
    guard limit >= 0 else { throw .invalidArgument("a limit of \(limit) bytes") }
    let until = FixedDeadline(deadline)
    var capture = Capture(limit: limit)
    while true {
      let count = try await capture.fill(from: self, deadline: until.rest)
      if count == 0 { return capture.bytes }
      if capture.lost > 0 { throw .tooLarge("\(description) sent more than \(limit) bytes") }
    }
  }
}
