import Glibc
import Outboard

/// Children of a process of which nobody else has any.
enum SpawnProbe {
  /// A thousand children, ended in several ways: no zombie, no descriptor, no signal handler is left.
  static func spawns() throws -> Int32 {
    let engine = try Engine()
    try engine.callAndWait { try await round(engine, 0) }  // what is made once
    let descriptors = try descriptorCount()
    try engine.callAndWait {
      for number in 1..<250 { try await round(engine, number) }
    }
    // What was let go last may be on its way to be closed.
    for _ in 0..<1000 where try descriptorCount() != descriptors { usleep(10_000) }
    guard try descriptorCount() == descriptors else { return 2 }
    // Nobody is left to be waited for.
    guard waitpid(-1, nil, WNOHANG) == -1, errno == ECHILD else { return 3 }
    var after = sigaction()
    unsafe sigaction(SIGCHLD, nil, &after)
    let same = unsafe after.__sigaction_handler.sa_handler == nil
    return try same && engine.callAndWait { true } ? 0 : 4
  }

  /// Four children at once: one that reads, one that fails, one that cannot be started, one that is
  /// ended.
  private static func round(_ engine: Engine, _ number: Int) async throws {
    async let reads = engine.run(Command("cat"), input: Array("\(number)".utf8))
    async let fails = engine.run(Command("false"))
    async let killed = engine.spawn(Command("sleep", ["600"]), input: .pipe)
    do {
      _ = try await engine.run(Command("/nowhere"))
      throw Wrong()
    } catch EngineError.io {}
    let child = try await killed
    child.terminate()
    guard try await reads.text == "\(number)", try await fails.end == .exited(1),
      try await child.end() == .signalled(SIGTERM)
    else { throw Wrong() }
  }

  /// A host that ignores SIGCHLD takes every end away: a clear error, no hang.
  static func ignored() throws -> Int32 {
    signal(SIGCHLD, SIG_IGN)
    let engine = try Engine()
    let text = try engine.callAndWait {
      do {
        _ = try await engine.run(Command("cat"), input: [1])
        return ""
      } catch {
        return "\(error)"
      }
    }
    return text.contains("ignores SIGCHLD") ? 0 : 2
  }

  private struct Wrong: Error {}

  /// How many descriptors this process has.
  static func descriptorCount() throws -> Int {
    guard let directory = unsafe opendir("/proc/self/fd") else { throw Wrong() }
    defer { unsafe closedir(directory) }
    var count = 0
    while unsafe readdir(directory) != nil { count += 1 }
    return count
  }
}
