internal import COutboard
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Runs the jobs of loops that have closed, one at a time, on one thread of the process.
///
/// An executor cannot refuse a job: a dropped one hangs whoever awaits it for ever. So what comes
/// after the end of a loop runs here. It never runs beside that loop, as the core refuses a job
/// only once its loop runs none any more. The thread is started by the first job and leaves when it
/// has had nothing to do for a while.
///
/// `@unchecked Sendable`: `work` and `threadExists` are protected by `monitor`; `executing` belongs
/// to the thread.
final class FallbackThread: @unchecked Sendable {
  private let monitor = Monitor()
  private var work = FallbackQueue()
  private var threadExists = false
  private var executing: LoopExecutor?
  /// The thread, or 0 while there is none.
  private let thread = Atomic<UInt>(0)

  private static let idleNanoseconds: UInt64 = 1_000_000_000

  private static let process = PerProcess { FallbackThread() }

  /// The process's one.
  static var shared: FallbackThread { process.current }

  /// Whether the caller runs for this executor on the fallback thread.
  static func isRunning(for executor: LoopExecutor) -> Bool {
    guard let found = process.latest else { return false }
    guard found.thread.load(ordering: .relaxed) == NativeThread.currentID else { return false }
    return found.executing === executor
  }

  // MARK: Work

  /// Takes a job. Any thread.
  ///
  /// - Parameters:
  ///   - job: Run exactly once.
  ///   - kind: As for ``LoopExecutor/submit(_:kind:)``.
  ///   - executor: For whom; held until the job has run.
  ///   - nanoseconds: Not before this has passed.
  func submit(
    _ job: UnownedJob, kind: JobKind, executor: LoopExecutor, after nanoseconds: UInt64 = 0
  ) {
    let start = monitor.locked {
      if executor.mustJoin() {
        work.insert(.init(work: .join, executor: executor, due: .now))
      }
      work.insert(
        .init(work: .run(job, kind), executor: executor, due: Expiry(after: nanoseconds)))
      monitor.signal()
      defer { threadExists = true }
      return !threadExists
    }
    if start { startThread() }
  }

  /// A job may be lost no more than the process may: without a thread it goes on trying.
  private func startThread() {
    while true {
      do {
        return try NativeThread.start(name: "ob-fallback") { self.run() }
      } catch {
        usleep(10_000)
      }
    }
  }

  private func run() {
    thread.store(NativeThread.currentID, ordering: .relaxed)
    while let entry = next() {
      switch entry.work {
      case .join:
        entry.executor.joinLoop()
      case .run(let job, let kind):
        executing = entry.executor
        entry.executor.run(job, kind: kind)
        executing = nil
      }
    }
  }

  /// The next job when it is due; nil when the thread shall leave.
  private func next() -> FallbackQueue.Entry? {
    monitor.lock()
    defer { monitor.unlock() }
    var idle = Expiry(after: Self.idleNanoseconds)
    while true {
      switch work.next() {
      case .perform(let entry):
        return entry
      case .wait(let nanoseconds):
        monitor.wait(nanoseconds: nanoseconds)
        idle = Expiry(after: Self.idleNanoseconds)
      case .empty where idle.remaining > 0:
        monitor.wait(nanoseconds: idle.remaining)
      case .empty:
        thread.store(0, ordering: .relaxed)
        threadExists = false
        return nil
      }
    }
  }
}
