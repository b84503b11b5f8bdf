/// One run of a command, from its start to its end. See ``Engine/run(_:input:outputLimit:deadline:)``.
struct CommandRun: Sendable {
  let child: ChildProcess
  let command: Command
  let executor: LoopExecutor

  /// What was captured of one stream.
  private struct Captured {
    var bytes: [UInt8]
    var lost: Int
    var isComplete: Bool
  }

  /// Feeds, captures and waits, all at once.
  func result(
    input: [UInt8], limit: Int, until: FixedDeadline
  ) async -> Result<CommandOutput, EngineError> {
    async let fed: Void = feed(input)
    async let output = capture(child.standardOutput, limit)
    async let errors = capture(child.standardError, limit)
    let end: ChildEnd
    do {
      end = try await child.end(deadline: until.rest)
    } catch {
      await putDown()
      return .failure(explained(error))
    }
    // Somebody else may still hold the pipes: a descendant that was left behind.
    let patience = Task(executorPreference: executor) {
      let grace = min(command.grace.saturatedNanoseconds, until.rest.nanoseconds)
      let status = await LoopSleep(executor, nanoseconds: grace).outcome()
      if status.error == nil { closeAll() }
    }
    let (said, complained) = await (output, errors)
    patience.cancel()
    child.standardInput?.close()
    await fed
    if Task.isCancelled { return .failure(.cancelled) }
    return .success(
      CommandOutput(
        end: end, output: said.bytes, errors: complained.bytes,
        lostBytes: said.lost + complained.lost,
        isComplete: said.isComplete && complained.isComplete))
  }

  /// Ends the child and awaits its end, in a task that is not cancelled.
  private func putDown() async {
    child.terminate()
    let child = child
    _ = await Task(executorPreference: executor) { try? await child.end() }.value
    closeAll()
  }

  private func closeAll() {
    child.standardInput?.close()
    child.standardOutput?.close()
    child.standardError?.close()
  }

  private func explained(_ error: EngineError) -> EngineError {
    guard case .timedOut = error else { return error }
    return .timedOut("\(command.executable) was running too long and was ended")
  }

  /// A child need not read what it is given: its end of the pipe may be closed.
  private func feed(_ input: [UInt8]) async {
    try? await child.standardInput?.write(input)
    child.standardInput?.close()
  }

  private func capture(_ stream: ByteStream?, _ limit: Int) async -> Captured {
    var capture = Capture(limit: limit)
    var isComplete = false
    while let stream {
      // Closed by us, or cancelled: what has come has come.
      guard let count = try? await capture.fill(from: stream, deadline: .never) else { break }
      isComplete = count == 0
      if isComplete { break }
    }
    return Captured(bytes: capture.take(), lost: capture.lost, isComplete: isComplete)
  }
}
