import Glibc

/// A server on loopback: each connection is served by a thread of its own, until ``stop()``.
final class LoopbackServer: @unchecked Sendable {
  // Set before the thread starts; `workers` belongs to that thread until it is joined.
  let port: UInt16
  private let listener: Int32
  private var thread: HostThread?
  private var workers: [HostThread] = []

  /// - Parameter serve: Gets a connection's descriptor, which the server closes, and its number,
  ///   counted from 0.
  init(_ serve: @escaping @Sendable (Int32, Int) -> Void) {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    self.listener = listener
    var address = Self.address(port: 0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        unsafe bind(listener, address, size) == 0 && getsockname(listener, address, &size) == 0
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    precondition(bound && listen(listener, 64) == 0)
    thread = HostThread { self.acceptAll(serve) }
  }

  private func acceptAll(_ serve: @escaping @Sendable (Int32, Int) -> Void) {
    while true {
      let connection = accept(listener, nil, nil)
      guard connection >= 0 else { return }
      let number = workers.count
      workers.append(
        HostThread {
          serve(connection, number)
          close(connection)
        })
    }
  }

  /// Accepts nobody any more and waits until every client has been served.
  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    thread?.join()
    for worker in workers { worker.join() }
    close(listener)
  }

  static func address(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    address.sin_port = port.bigEndian
    return address
  }
}
