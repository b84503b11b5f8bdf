internal import COutboard

extension Engine {
  /// Takes connections at an address from now on.
  ///
  /// - Parameters:
  ///   - address: An IP address of this machine, with port 0 for one that the system chooses; or a
  ///     path that does not exist. An IPv6 address takes IPv6 connections only.
  ///   - backlog: Most connections that wait to be accepted; the system may have a limit below that.
  /// - Returns: The listener.
  /// - Throws: ``EngineError/io(_:)`` with `EADDRINUSE` (of a path: it exists, perhaps left by a
  ///   process that has died; remove it if so), `EACCES` and the like;
  ///   ``EngineError/invalidArgument(_:)``, ``EngineError/shutdown``.
  public func listen(
    on address: SocketAddress, backlog: Int = 128
  ) throws(EngineError) -> Listener {
    guard backlog > 0 else {
      throw .invalidArgument("a backlog of \(backlog) connections: at least one")
    }
    try executor.checkOpen()
    var native = address.native
    let fd = unsafe ob_spi_listen(&native, Int32(clamping: backlog))
    guard fd >= 0 else { throw .io(-fd, "listen on \(address)") }
    let descriptor = OwnedDescriptor(fd, executor, name: "the listener on \(address)")
    var file: SocketFile?
    if case .unix(let path) = address.form { file = SocketFile(path) }
    return Listener(descriptor, try descriptor.address(ofPeer: false), file)
  }
}

extension OwnedDescriptor {
  /// The address of a socket, or of its peer.
  func address(ofPeer peer: Bool) throws(EngineError) -> SocketAddress {
    var native = ob_address()
    let code = try use { fd in unsafe ob_spi_address_of(fd, peer ? 1 : 0, &native) }
    guard code == 0 else { throw .io(code, "ask for the address of \(name)") }
    return SocketAddress(native: native)
  }
}
