internal import COutboard

/// Where a stream socket is, or shall be: an IP address with a port, or a path.
public struct SocketAddress: Sendable, Hashable {
  /// The forms of an address.
  enum Form: Hashable {
    case ip4([UInt8], port: UInt16)
    case ip6([UInt8], port: UInt16, scope: UInt32)
    /// Empty for a socket that has none, as a client's.
    case unix(String)
  }

  let form: Form

  /// The longest path that the system takes, in bytes.
  static let longestPath = 107

  init(form: Form) { self.form = form }

  /// An IP address in numbers: no name is looked up.
  ///
  /// - Parameters:
  ///   - address: "127.0.0.1", "::1".
  ///   - port: 0 lets the system choose, for a listener.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for anything else.
  public init(ip address: String, port: UInt16) throws(EngineError) {
    var native = ob_address()
    guard !address.utf8.contains(0), unsafe ob_spi_address_parse(address, &native) == 1 else {
      throw .invalidArgument(
        "\"\(address)\" is no IP address; names are looked up by Engine.resolve")
    }
    native.port = port
    self.init(native: native)
  }

  /// The path of a Unix-domain socket.
  ///
  /// - Parameter path: At most 107 bytes of UTF-8, which is all the system has room for.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for one that is longer, empty, or has a NUL byte.
  public init(unixPath path: String) throws(EngineError) {
    guard path.utf8.count <= Self.longestPath else {
      throw .invalidArgument(
        "the path \"\(path)\" has \(path.utf8.count) bytes, and a Unix-domain socket's at most "
          + "\(Self.longestPath): put it in a directory with a shorter name, or make it relative")
    }
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw .invalidArgument("an empty path, or one with a NUL byte, for a Unix-domain socket")
    }
    form = .unix(path)
  }

  /// This machine by IPv4.
  ///
  /// - Parameter port: 0 lets the system choose, for a listener.
  /// - Returns: 127.0.0.1 with that port.
  public static func loopback(port: UInt16) -> SocketAddress {
    SocketAddress(form: .ip4([127, 0, 0, 1], port: port))
  }

  /// The port; nil for a path.
  public var port: UInt16? {
    switch form {
    case .ip4(_, let port), .ip6(_, let port, _): port
    case .unix: nil
    }
  }
}

extension SocketAddress: CustomStringConvertible {
  /// "127.0.0.1:80", "[::1]:80", or the path.
  public var description: String {
    switch form {
    case .unix(let path): path.isEmpty ? "an unnamed socket" : path
    case .ip4(_, let port): "\(numbers):\(port)"
    case .ip6(_, let port, let scope): "[\(numbers)\(scope == 0 ? "" : "%\(scope)")]:\(port)"
    }
  }

  private var numbers: String {
    var native = native
    return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
      unsafe ob_spi_address_text(&native, text.baseAddress, text.count)
      return unsafe String(cString: text.baseAddress!)
    }
  }
}
