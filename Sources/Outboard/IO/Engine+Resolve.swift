internal import COutboard

extension Engine {
  /// Looks up the addresses of a host, on the engine's own pool.
  ///
  /// The system's resolver cannot be interrupted. At the deadline, and when the task is cancelled,
  /// it is left to end by itself; until then it has a thread of the pool.
  ///
  /// - Parameters:
  ///   - host: A name, or an address in numbers.
  ///   - port: For the addresses.
  ///   - family: Which kind of addresses.
  ///   - deadline: When to give up.
  /// - Returns: At least one address, in the order in which to try them.
  /// - Throws: ``EngineError/notFound(_:)`` when the name has none, or cannot be looked up now: the
  ///   text says which; ``EngineError/invalidArgument(_:)``, ``EngineError/timedOut(_:)``,
  ///   ``EngineError/cancelled``, and as for `offload`.
  public func resolve(
    _ host: String, port: UInt16 = 0, family: AddressFamily = .any, deadline: Deadline = .never
  ) async throws(EngineError) -> [SocketAddress] {
    guard !host.isEmpty, !host.utf8.contains(0), host.utf8.count < 1025 else {
      throw .invalidArgument("\"\(host.prefix(80))\" is no host name: empty, too long, or with NUL")
    }
    return try await executor.abandonable(deadline) { () throws(EngineError) in
      try Self.lookUp(host, port, family)
    }
  }

  /// Pool thread.
  private static func lookUp(
    _ host: String, _ port: UInt16, _ family: AddressFamily
  ) throws(EngineError) -> [SocketAddress] {
    var natives = [ob_address](repeating: ob_address(), count: 64)
    var (count, reason): (Int, Int32) = (0, 0)
    let code = unsafe natives.withUnsafeMutableBufferPointer { room in
      unsafe ob_spi_resolve(
        host, "\(port)", family.rawValue, 0, room.baseAddress, room.count, &count, &reason)
    }
    if reason != 0 { throw .io(reason, "look up \(host)") }
    guard code == 0, count > 0 else {
      let text =
        unsafe code == 0 ? "no IP address" : String(cString: ob_spi_resolve_text(code))
      throw .notFound("look up \(host): \(text)")
    }
    return natives.prefix(count).map(SocketAddress.init(native:))
  }
}
