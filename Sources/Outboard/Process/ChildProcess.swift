internal import COutboard

/// A child process. See ``Engine/spawn(_:input:output:errors:deadline:)``.
///
/// The engine reaps it when it has ended, whether somebody waits for that or not, and needs no
/// `SIGCHLD` for it. A child does not outlive its engine: when that stops, it gets TERM, and KILL
/// after its command's grace. Letting go of this object closes the pipes and leaves the child alone.
public final class ChildProcess: Sendable {
  private let record: ChildRecord
  /// To its standard input, with ``Redirection/pipe``. ``ByteStream/close()`` is the end for it.
  public let standardInput: ByteStream?
  /// From its standard output, with ``Redirection/pipe``.
  public let standardOutput: ByteStream?
  /// From its standard error, with ``Redirection/pipe``.
  public let standardError: ByteStream?

  /// Its number; another process's some time after it has ended.
  public var processID: Int32 { record.handle.pid }

  init(_ record: ChildRecord, _ streams: [ByteStream?]) {
    self.record = record
    (standardInput, standardOutput, standardError) = (streams[0], streams[1], streams[2])
  }

  /// Awaits its end. Any number of tasks.
  ///
  /// - Parameter deadline: When to stop waiting, which changes nothing for the child.
  /// - Returns: How it ended.
  /// - Throws: ``EngineError/timedOut(_:)``, ``EngineError/cancelled``, ``EngineError/shutdown``;
  ///   ``EngineError/system(_:)`` when the host took its end: it ignores `SIGCHLD`, or waits for any
  ///   child.
  public func end(deadline: Deadline = .never) async throws(EngineError) -> ChildEnd {
    if Task.isCancelled { throw .cancelled }
    let wait = ChildWait(record, expiry: deadline.expiry)
    if let error = await wait.outcome() { throw error }
    guard let end = wait.end else { throw .shutdown }
    return try end.get()
  }

  /// Asks it to end: TERM now, KILL after its command's grace. Any thread; never blocks; again, and
  /// after its end, it does nothing. With a group of its own, the whole group.
  public func terminate() {
    let record = record
    // A loop that has closed has seen to it.
    _ = LoopErrand.run(on: record.executor) { record.terminate() }
  }

  /// Sends it a signal; with a group of its own, the whole group.
  ///
  /// - Parameter number: Of the signal: 1 to 64.
  /// - Throws: ``EngineError/io(_:)`` with `ESRCH` when it has ended,
  ///   ``EngineError/invalidArgument(_:)``, ``EngineError/shutdown``.
  public func signal(_ number: Int32) async throws(EngineError) {
    guard (1...64).contains(number) else {
      throw .invalidArgument("\(number) is no signal: 1 to 64")
    }
    let record = record
    let code = await record.executor.ask { record.signal(number) }
    guard let code else { throw .shutdown }
    guard code == 0 else { throw .io(code, "send signal \(number) to process \(processID)") }
  }
}
