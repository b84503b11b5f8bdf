internal import COutboard

/// The start of one child, with the pipes that lead to it. Runs on a thread that may block.
struct Spawn: Sendable {
  let command: Command
  /// Of standard input, output and error.
  let redirections: [Redirection]
  let executor: LoopExecutor

  /// Starts the child, which the loop then watches.
  ///
  /// - Returns: The child.
  /// - Throws: ``EngineError/io(_:)``; then nothing was started and nothing is left open.
  func start() throws(EngineError) -> ChildProcess {
    var theirs: [Int32] = []
    var streams: [ByteStream?] = []
    // The child has copies.
    defer { for fd in theirs where fd >= 0 { ob_spi_close(fd) } }
    for (number, redirection) in redirections.enumerated() {
      let (fd, stream) = try open(redirection, as: number)
      theirs.append(fd)
      streams.append(stream)
    }
    let handle = try spawn(theirs)
    let record = ChildRecord(handle, command, executor)
    record.watch()
    return ChildProcess(record, streams)
  }

  /// - Returns: The child's end, or -1 for the host's own; and our end of a pipe.
  private func open(
    _ redirection: Redirection, as number: Int
  ) throws(EngineError) -> (Int32, ByteStream?) {
    switch redirection {
    case .inherit:
      return (-1, nil)
    case .null:
      let fd = ob_spi_null()
      guard fd >= 0 else { throw .io(-fd, "open /dev/null") }
      return (fd, nil)
    case .pipe:
      var ends: (Int32, Int32) = (-1, -1)
      let ours: Int32 = number == 0 ? 1 : 0
      let code = unsafe withUnsafeMutablePointer(to: &ends) { ends in
        unsafe ends.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe ob_spi_pipe($0, ours) }
      }
      guard code == 0 else { throw .io(code, "make a pipe for \(command.executable)") }
      let name = ["standard input", "standard output", "standard error"][number]
      let (mine, other) = ours == 1 ? (ends.1, ends.0) : ends
      let descriptor = OwnedDescriptor(
        mine, executor, name: "the \(name) of \(command.executable)")
      return (other, ByteStream(descriptor, .pipe))
    }
  }

  private func spawn(_ descriptors: [Int32]) throws(EngineError) -> ChildHandle {
    let arguments = CStringArray([command.executable] + command.arguments)
    let environment = command.environment.map { variables in
      CStringArray(variables.map { "\($0.key)=\($0.value)" }.sorted())
    }
    var (pid, pidfd): (Int32, Int32) = (0, -1)
    let code = unsafe command.executable.withCString { path in
      unsafe withOptionalCString(command.directory) { directory in
        var native = unsafe ob_spawn()
        unsafe native.path = path
        unsafe native.argv = UnsafePointer(arguments.address)
        unsafe native.directory = directory
        unsafe native.stdio = (descriptors[0], descriptors[1], descriptors[2])
        unsafe native.own_group = command.ownProcessGroup ? 1 : 0
        switch environment {
        case .some(let variables): unsafe native.envp = UnsafePointer(variables.address)
        case .none: break
        }
        return unsafe ob_spi_spawn(&native, &pid, &pidfd)
      }
    }
    _ = consume arguments
    _ = consume environment
    if code == SystemCode.noChild { throw ChildHandle.lost(pid, code) }
    guard code == 0 else {
      let place = command.directory.map { " in \($0)" } ?? ""
      throw .io(code, "run \(command.executable)\(place)")
    }
    return ChildHandle(pid: pid, pidfd: pidfd, leadsGroup: command.ownProcessGroup)
  }
}

private func withOptionalCString<R>(
  _ text: String?, _ body: (UnsafePointer<CChar>?) -> R
) -> R {
  guard let text else { return body(nil) }
  return unsafe text.withCString { unsafe body($0) }
}
