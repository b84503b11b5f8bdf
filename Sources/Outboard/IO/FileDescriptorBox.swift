internal import COutboard
internal import Synchronization

/// The descriptor of a file: closed when it was asked to be and nobody is inside a call with it.
final class FileDescriptorBox: Sendable {
  let path: String
  private let fd: Int32
  /// Threads inside, and one for its owner; with `closing`.
  private let uses = Atomic<UInt32>(1)

  private static let closing: UInt32 = 1 << 31

  init(_ fd: Int32, _ path: String) {
    self.fd = fd
    self.path = path
  }

  deinit { close() }

  /// Any thread; again is fine.
  func close() {
    let before = uses.bitwiseOr(Self.closing, ordering: .acquiringAndReleasing).oldValue
    if before & Self.closing == 0 { leave() }
  }

  private func leave() {
    if uses.subtract(1, ordering: .acquiringAndReleasing).newValue == Self.closing {
      ob_spi_close(fd)
    }
  }

  /// Makes a system call with the descriptor, which stays open meanwhile.
  ///
  /// - Throws: ``EngineError/closed(_:)``.
  func use<R>(_ body: (Int32) -> R) throws(EngineError) -> R {
    let before = uses.add(1, ordering: .acquiringAndReleasing).oldValue
    defer { leave() }
    guard before & Self.closing == 0 else { throw .closed("the file \(path) was closed before") }
    return body(fd)
  }
}
