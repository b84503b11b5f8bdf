import Glibc

/// Two connected sockets, or the two ends of a pipe, that block; closed at the end.
final class SocketPair: Sendable {
  /// Of a pipe, the end to read from.
  let ours: Int32
  let theirs: Int32

  init(pipe: Bool = false) {
    var ends: [Int32] = [-1, -1]
    let status =
      pipe
      ? unsafe Glibc.pipe(&ends)
      : unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
    precondition(status == 0)
    (ours, theirs) = (ends[0], ends[1])
  }

  deinit {
    close(ours)
    close(theirs)
  }

  /// Writes to `ours` until the system takes no more.
  func fill() {
    let bytes = [UInt8](repeating: 1, count: 4096)
    while unsafe send(ours, bytes, bytes.count, Int32(MSG_DONTWAIT)) > 0 {}
  }

  /// Reads from `theirs` all that is there.
  func drain() {
    var bytes = [UInt8](repeating: 0, count: 4096)
    while unsafe recv(theirs, &bytes, bytes.count, Int32(MSG_DONTWAIT)) > 0 {}
  }

  func say(_ text: String) { _ = unsafe write(theirs, text, text.utf8.count) }

  func hear() -> String {
    var bytes = [UInt8](repeating: 0, count: 100)
    let count = unsafe read(ours, &bytes, 100)
    return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
  }
}
