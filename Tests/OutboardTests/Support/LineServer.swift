import Glibc

/// A server on loopback with a thread of its own that reads one line from each of a number of
/// clients and answers none of them before it has read all.
final class LineServer: @unchecked Sendable {
  // Set before the thread starts.
  let port: UInt16
  private let listener: Int32
  private let clients: Int
  private var thread: HostThread?

  init(clients: Int) {
    self.clients = clients
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(listener, address, size) == 0 && getsockname(listener, address, &size) == 0
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    precondition(bound && listen(listener, 16) == 0)
    thread = HostThread { self.serve() }
  }

  private func serve() {
    let connections = (0..<clients).map { _ in accept(listener, nil, nil) }
    let lines = connections.map(line)
    for (connection, line) in zip(connections, lines) {
      let answer = Array("answer to \(line)\n".utf8)
      _ = unsafe write(connection, answer, answer.count)
      close(connection)
    }
    close(listener)
  }

  private func line(_ connection: Int32) -> String {
    var text: [UInt8] = []
    var byte: UInt8 = 0
    while unsafe read(connection, &byte, 1) == 1, byte != UInt8(ascii: "\n") { text.append(byte) }
    return String(decoding: text, as: UTF8.self)
  }

  func join() { thread?.join() }
}
