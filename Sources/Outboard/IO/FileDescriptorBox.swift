internal import COutboard

/// The descriptor of a file: closed when it was asked to be and nobody is inside a call with it.
final class FileDescriptorBox: Sendable {
  let path: String
  private let fd: Int32
  private let uses = DescriptorUses()

  init(_ fd: Int32, _ path: String) {
    self.fd = fd
    self.path = path
  }

  deinit { close() }

  /// Any thread; again is fine.
  func close() {
    if uses.beginClosing() { leave() }
  }

  private func leave() {
    if uses.leave() { ob_spi_close(fd) }
  }

  /// Makes a system call with the descriptor, which stays open meanwhile.
  ///
  /// - Throws: ``EngineError/closed(_:)``.
  func use<R>(_ body: (Int32) -> R) throws(EngineError) -> R {
    guard uses.enter() else { throw .closed("the file \(path) was closed before") }
    defer { leave() }
    return body(fd)
  }
}
