extension Engine {
  /// Starts a child process.
  ///
  /// It is started on the engine's pool, as that blocks until the program has been found and loaded.
  /// It begins with no signal blocked or ignored, and with no descriptor but its standard ones.
  /// `SIGCHLD` is not touched.
  ///
  /// - Parameters:
  ///   - command: The program, and how to run it.
  ///   - input: What it reads.
  ///   - output: Where its output goes.
  ///   - errors: Where its errors go.
  ///   - deadline: For the start, which waits for a thread of the pool; not for the child's life. A
  ///     child that is started too late is ended.
  /// - Returns: The child.
  /// - Throws: ``EngineError/io(_:)`` when it could not be started: `ENOENT` for no such program or
  ///   directory; ``EngineError/invalidArgument(_:)``; and as for `offload`.
  public func spawn(
    _ command: Command, input: Redirection = .null, output: Redirection = .null,
    errors: Redirection = .null, deadline: Deadline = .never
  ) async throws(EngineError) -> ChildProcess {
    try command.check()
    let spawn = Spawn(
      command: command, redirections: [input, output, errors], executor: executor)
    return try await executor.abandonable(deadline, dropped: { $0.terminate() }) {
      () throws(EngineError) in try spawn.start()
    }
  }

  /// Runs a command to its end: feeds it, captures what it says, and takes care that nothing of it
  /// is left.
  ///
  /// At the deadline, and when the awaiting task is cancelled, it gets TERM, and KILL after
  /// ``Command/grace``; its end is awaited before this throws.
  ///
  /// - Parameters:
  ///   - command: The program, and how to run it.
  ///   - input: Its standard input. It need not read it all.
  ///   - outputLimit: Most bytes kept of its output, and of its errors. What comes beyond is read and
  ///     thrown away, so that it is not held up.
  ///   - deadline: When it is ended.
  /// - Returns: How it ended, and what it said. A code other than 0 is not an error here.
  /// - Throws: ``EngineError/timedOut(_:)``, ``EngineError/cancelled``, and as for
  ///   ``spawn(_:input:output:errors:deadline:)`` and ``ChildProcess/end(deadline:)``.
  public func run(
    _ command: Command, input: [UInt8] = [], outputLimit: Int = 1 << 20,
    deadline: Deadline = .never
  ) async throws(EngineError) -> CommandOutput {
    guard outputLimit >= 0 else {
      throw .invalidArgument("a limit of \(outputLimit) bytes for the output")
    }
    if deadline.remaining == .zero { throw .timedOut(nil) }
    let until = FixedDeadline(deadline)
    let child: ChildProcess
    do {
      child = try await spawn(
        command, input: .pipe, output: .pipe, errors: .pipe, deadline: until.rest)
    } catch {
      guard case .timedOut = error else { throw error }
      throw .timedOut("\(command.executable) was not started in time, for want of a pool thread")
    }
    let run = CommandRun(child: child, command: command, executor: executor)
    let result = await withTaskExecutorPreference(executor) {
      await run.result(input: input, limit: outputLimit, until: until)
    }
    return try result.get()
  }
}
