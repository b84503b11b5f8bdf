#if canImport(Glibc)
  internal import Glibc
#else
  internal import Musl
#endif

/// The error and signal numbers of the system that are told apart or sent here.
enum SystemCode {
  static let noEntry = ENOENT
  static let notPermitted = EPERM
  static let badDescriptor = EBADF
  static let noMemory = ENOMEM
  static let wouldBlock = EAGAIN
  static let brokenPipe = EPIPE
  static let noChild = ECHILD
  static let noProcess = ESRCH
  static let term = SIGTERM
  static let kill = SIGKILL
  static let notOpen = ENXIO
}
