#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// The error numbers of the system that are told apart here.
enum SystemCode {
  static let noEntry = ENOENT
  static let notPermitted = EPERM
  static let badDescriptor = EBADF
  static let noMemory = ENOMEM
  static let wouldBlock = EAGAIN
  static let brokenPipe = EPIPE
  static let noChild = ECHILD
  static let notOpen = ENXIO
}
