internal import COutboard

/// Sees to the end of children whose loop has closed: KILL after their grace, no zombie.
///
/// One thread for the process, which leaves when it is through.
///
/// `@unchecked Sendable`: `children` and `threadExists` are protected by `monitor`.
final class Reaper: @unchecked Sendable {
  private struct Child {
    let handle: ChildHandle
    let killAt: Expiry
  }

  private let monitor = Monitor()
  private var children: [Child] = []
  private var threadExists = false

  private static let process = PerProcess { Reaper() }

  /// The process's one.
  static var shared: Reaper { process.current }

  /// Takes a child that was sent TERM. Any thread; never blocks.
  ///
  /// - Parameters:
  ///   - handle: Whose end is taken here.
  ///   - grace: Until KILL, in nanoseconds.
  func take(_ handle: ChildHandle, grace: UInt64) {
    let start = monitor.locked {
      children.append(Child(handle: handle, killAt: Expiry(after: grace)))
      defer { threadExists = true }
      return !threadExists
    }
    guard start else { return }
    do {
      try NativeThread.start(name: "ob-reaper") { self.run() }
    } catch {
      // Without a thread nobody can wait: then at least nothing goes on running. What this leaves
      // are zombies, which the next thread finds.
      monitor.locked {
        for child in children {
          child.handle.signal(SystemCode.kill, group: child.handle.leadsGroup)
        }
        threadExists = false
      }
    }
  }

  /// One after the other: their times run together.
  private func run() {
    while let child = next() {
      let handle = child.handle
      if ob_spi_await(handle.pidfd, child.killAt.remaining) == 0 {
        handle.signal(SystemCode.kill, group: handle.leadsGroup)
        _ = ob_spi_await(handle.pidfd, .max)
      }
      if handle.leadsGroup { handle.signal(SystemCode.kill, group: true) }
      _ = handle.reap()
    }
  }

  private func next() -> Child? {
    monitor.locked {
      if children.isEmpty { threadExists = false }
      return children.isEmpty ? nil : children.removeFirst()
    }
  }
}
