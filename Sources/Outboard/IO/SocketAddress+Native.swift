internal import COutboard

extension SocketAddress {
  init(native: ob_address) {
    let bytes = unsafe withUnsafeBytes(of: native.bytes) { unsafe Array($0) }
    switch UInt32(native.kind) {
    case OB_ADDRESS_IN4.rawValue:
      form = .ip4(Array(bytes.prefix(4)), port: native.port)
    case OB_ADDRESS_IN6.rawValue:
      form = .ip6(Array(bytes.prefix(16)), port: native.port, scope: native.scope)
    default:
      form = .unix(String(decoding: bytes.prefix(native.length), as: UTF8.self))
    }
  }

  /// As the core takes it.
  var native: ob_address {
    var native = ob_address()
    let bytes: [UInt8]
    switch form {
    case .ip4(let numbers, let port):
      native.kind = Int32(OB_ADDRESS_IN4.rawValue)
      native.port = port
      bytes = numbers
    case .ip6(let numbers, let port, let scope):
      native.kind = Int32(OB_ADDRESS_IN6.rawValue)
      native.port = port
      native.scope = scope
      bytes = numbers
    case .unix(let path):
      native.kind = Int32(OB_ADDRESS_UNIX.rawValue)
      bytes = Array(path.utf8)
      native.length = bytes.count
    }
    unsafe withUnsafeMutableBytes(of: &native.bytes) { unsafe $0.copyBytes(from: bytes) }
    return native
  }
}
