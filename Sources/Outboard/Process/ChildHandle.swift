internal import COutboard

/// The system's handle of a child that was not reaped.
///
/// Whoever has it reaps the child, once, and then it is gone: see ``reap()``.
struct ChildHandle: Sendable {
  let pid: Int32
  let pidfd: Int32
  /// Whether signals go to its process group.
  let leadsGroup: Bool

  /// Sends a signal.
  ///
  /// - Returns: 0 or an `errno`; ESRCH when it has ended.
  @discardableResult
  func signal(_ number: Int32, group: Bool) -> Int32 {
    ob_spi_signal(pidfd, pid, group ? 1 : 0, number)
  }

  /// Takes the end of the child and gives up the handle.
  ///
  /// - Returns: Nil when it has not ended; the handle stays.
  func reap() -> ChildState.End? {
    var (how, code): (Int32, Int32) = (0, 0)
    let status = unsafe ob_spi_reap(pidfd, &how, &code)
    if status == SystemCode.wouldBlock { return nil }
    ob_spi_close(pidfd)
    guard status == 0 else { return .failure(Self.lost(pid, status)) }
    return .success(how == OB_CHILD_EXITED.rawValue ? .exited(code) : .signalled(code))
  }

  /// Why the end of a child will never be known.
  static func lost(_ pid: Int32, _ code: Int32) -> EngineError {
    guard code == SystemCode.noChild else { return .io(code, "wait for process \(pid)") }
    return .system(
      "the end of process \(pid) was taken by somebody else: the host ignores SIGCHLD, or waits for "
        + "any child (waitpid with -1)")
  }
}
