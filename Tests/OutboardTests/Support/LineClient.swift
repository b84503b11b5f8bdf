import Glibc

/// A blocking connection to a ``LoopbackServer``, for pool threads; closed by its owner.
struct LineClient: Sendable, Hashable {
  let descriptor: Int32

  /// - Throws: ``Fault`` with `errno`.
  init(port: UInt16) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = LoopbackServer.address(port: port)
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = unsafe withUnsafePointer(to: &address) { [descriptor] pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe connect(descriptor, address, size)
      }
    }
    guard status == 0 else {
      let code = errno
      Glibc.close(descriptor)
      throw Fault(code: Int(code))
    }
  }

  /// Sends a line and reads the one that answers it.
  ///
  /// - Throws: ``Fault`` with -1 when the server has hung up.
  func ask(_ line: String) throws -> String {
    try sendLine(line, to: descriptor)
    guard let answer = readLine(from: descriptor) else { throw Fault(code: -1) }
    return answer
  }

  /// Ends a blocked ``ask(_:)``; the descriptor stays.
  func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  func close() { Glibc.close(descriptor) }
}

/// Sends a line. Blocks.
func sendLine(_ line: String, to descriptor: Int32) throws {
  let bytes = Array((line + "\n").utf8)
  let sent = unsafe send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  if sent != bytes.count { throw Fault(code: -1) }
}

/// Reads a line; nil at the end. Blocks.
func readLine(from descriptor: Int32) -> String? {
  var text: [UInt8] = []
  var byte: UInt8 = 0
  while unsafe read(descriptor, &byte, 1) == 1 {
    if byte == UInt8(ascii: "\n") { return String(decoding: text, as: UTF8.self) }
    text.append(byte)
  }
  return nil
}
