import Glibc

/// A path in a directory of its own, which goes with it.
final class SocketPath: Sendable {
  let directory: String
  let path: String

  init(_ name: String) {
    var template = Array("/tmp/outboard-XXXXXX".utf8CString)
    precondition(unsafe mkdtemp(&template) != nil)
    directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    path = "\(directory)/\(name)"
  }

  deinit {
    _ = unsafe unlink(path)
    _ = unsafe rmdir(directory)
  }
}
