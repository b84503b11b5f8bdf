/// Bytes of a stream up to a limit; what comes beyond is read and thrown away, so that the writer is
/// not held up.
struct Capture {
  /// Most bytes that are kept.
  let limit: Int
  /// How many came beyond the limit.
  private(set) var lost = 0
  /// Filled up to `count`.
  private var storage: [UInt8] = []
  private var count = 0

  /// Free at the end for each read, at least; the storage doubles up to the limit.
  private static let chunk = 16_384

  init(limit: Int) { self.limit = limit }

  /// What was kept.
  var bytes: [UInt8] { Array(storage[..<count]) }

  /// Reads once.
  ///
  /// - Parameters:
  ///   - stream: Where from.
  ///   - deadline: When to give up.
  /// - Returns: How many bytes came; 0 at the end.
  /// - Throws: As for ``ByteStream/read(into:deadline:)``.
  mutating func fill(
    from stream: ByteStream, deadline: Deadline
  ) async throws(EngineError) -> Int {
    // At the limit there is still room for what is thrown away, and for seeing that it comes.
    let wanted = max(min(count, limit - count), Self.chunk)
    if storage.count - count < wanted {
      storage.append(contentsOf: repeatElement(0, count: count + wanted - storage.count))
    }
    let offset = count
    var span = storage.mutableSpan
    let came = try await stream.read(into: &span, at: offset, deadline: deadline)
    let kept = min(came, limit - count)
    count += kept
    lost += came - kept
    return came
  }

  /// Gives the bytes away without copying them.
  mutating func take() -> [UInt8] {
    storage.removeLast(storage.count - count)
    defer { (storage, count) = ([], 0) }
    return storage
  }
}
