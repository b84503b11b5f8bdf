extension ByteStream {
  /// This side's address.
  ///
  /// - Returns: The address; an empty path for a Unix-domain socket without one.
  /// - Throws: ``EngineError/io(_:)`` with `ENOTSOCK` for a pipe; ``EngineError/closed(_:)``.
  public func localAddress() throws(EngineError) -> SocketAddress {
    try descriptor.address(ofPeer: false)
  }

  /// The other side's address.
  ///
  /// - Returns: The address; an empty path for a Unix-domain socket without one.
  /// - Throws: ``EngineError/io(_:)`` with `ENOTSOCK` for a pipe, `ENOTCONN` when the peer has gone;
  ///   ``EngineError/closed(_:)``.
  public func peerAddress() throws(EngineError) -> SocketAddress {
    try descriptor.address(ofPeer: true)
  }
}
