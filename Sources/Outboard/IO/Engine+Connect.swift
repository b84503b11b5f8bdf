internal import COutboard

extension Engine {
  /// Connects to an address.
  ///
  /// - Parameters:
  ///   - address: Where to.
  ///   - deadline: When to give up.
  /// - Returns: The connection; small writes go out at once (`TCP_NODELAY`).
  /// - Throws: ``EngineError/io(_:)`` with `ECONNREFUSED`, `ENOENT` (no such path) and the like;
  ///   ``EngineError/timedOut(_:)``, ``EngineError/cancelled``, ``EngineError/shutdown``.
  public func connect(
    to address: SocketAddress, deadline: Deadline = .never
  ) async throws(EngineError) -> ByteStream {
    if Task.isCancelled { throw .cancelled }
    if deadline.remaining == .zero { throw .timedOut(nil) }
    try executor.checkOpen()
    let expiry = deadline.expiry
    let operation = "connect to \(address)"
    while true {
      var (native, pending): (ob_address, Int32) = (address.native, 0)
      let fd = unsafe ob_spi_connect(&native, &pending)
      if fd >= 0 {
        let descriptor = OwnedDescriptor(fd, executor, name: "the connection to \(address)")
        if pending != 0 { try await finish(descriptor, operation, expiry) }
        return ByteStream(descriptor, .socket)
      }
      guard fd == -SystemCode.wouldBlock else { throw .io(-fd, operation) }
      // Only a Unix-domain listener without room says so, and nothing tells when it has some.
      let pause = min(expiry.remaining, 2_000_000)
      if let error = await LoopSleep(executor, nanoseconds: pause).outcome().error { throw error }
      if expiry.remaining == 0 { throw .timedOut("\(operation): its listener has no room") }
    }
  }

  private func finish(
    _ descriptor: OwnedDescriptor, _ operation: String, _ expiry: Expiry
  ) async throws(EngineError) {
    while true {
      try await descriptor.wait(.write, expiry)
      let code = try descriptor.use { fd in ob_spi_connected(fd) }
      if code == 0 { return }
      guard code == SystemCode.wouldBlock else { throw .io(code, operation) }
    }
  }

  /// Connects to a host by name: to the first of its addresses that answers.
  ///
  /// - Parameters:
  ///   - host: A name, or an address in numbers.
  ///   - port: Of the service.
  ///   - deadline: When to give up, for the look-up and all addresses together.
  /// - Returns: The connection.
  /// - Throws: The error of the last address; and as for ``resolve(_:port:family:deadline:)``.
  public func connect(
    host: String, port: UInt16, deadline: Deadline = .never
  ) async throws(EngineError) -> ByteStream {
    let until = FixedDeadline(deadline)
    var last = EngineError.timedOut(nil)
    for address in try await resolve(host, port: port, deadline: until.rest) {
      do {
        return try await connect(to: address, deadline: until.rest)
      } catch {
        guard case .io = error else { throw error }
        last = error
      }
    }
    throw last
  }
}
