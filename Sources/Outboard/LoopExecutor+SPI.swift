// Everything that leans on the Swift runtime's unfinished interfaces, for the versions it is known
// for. Another compiler, or -D OUTBOARD_NO_SPI, gets the public interfaces only: jobs are queued in
// nodes of their own, and Task.sleep waits on the runtime's timers before it comes back to the loop
// (Engine.sleep stays on the loop's).
#if compiler(>=6.3) && compiler(<6.4) && !OUTBOARD_NO_SPI
  @_spi(ExperimentalScheduling) @_spi(ExperimentalCustomExecutors) public import _Concurrency
  internal import COutboard

  extension LoopExecutor: TaskExecutor, SerialExecutor {
    /// Queues a nonisolated job. Any thread; allocates nothing.
    ///
    /// - Parameter job: Run once, on the loop thread.
    public func enqueue(_ job: consuming ExecutorJob) {
      submit(UnownedJob(job), kind: .preferring)
    }

    /// Queues a job of an actor that lives here. Any thread; allocates nothing.
    ///
    /// - Parameter job: Run once, on the loop thread.
    @_implements(SerialExecutor,enqueue(_:))
    public func enqueueIsolated(_ job: consuming ExecutorJob) {
      submit(UnownedJob(job), kind: .isolated)
    }
  }

  @_spi(ExperimentalScheduling)
  extension LoopExecutor: SchedulingExecutor {
    /// Queues a job for later. Any thread.
    ///
    /// - Parameters:
    ///   - job: Run once, on the loop thread.
    ///   - delay: From now.
    ///   - tolerance: Not used: the loop's timers are late by a millisecond at most.
    ///   - clock: Whose durations these are.
    public func enqueue<C: Clock>(
      _ job: consuming ExecutorJob, after delay: C.Duration, tolerance: C.Duration?, clock: C
    ) {
      guard let delay = delay as? Duration else {
        return enqueue(
          job, at: clock.now.advanced(by: delay), tolerance: tolerance, clock: clock)
      }
      Sleeper.submit(
        UnownedJob(job), kind: .unbound, executor: self, after: delay.saturatedNanoseconds)
    }

    /// Queues a job for an instant, which is turned into the time that remains. Any thread.
    ///
    /// - Parameters:
    ///   - job: Run once, on the loop thread.
    ///   - instant: On the clock.
    ///   - tolerance: Not used: the loop's timers are late by a millisecond at most.
    ///   - clock: Whose instant this is.
    public func enqueue<C: Clock>(
      _ job: consuming ExecutorJob, at instant: C.Instant, tolerance: C.Duration?, clock: C
    ) {
      let job = UnownedJob(job)
      if let delay = clock.now.duration(to: instant) as? Duration {
        Sleeper.submit(
          job, kind: .unbound, executor: self, after: delay.saturatedNanoseconds)
      } else {
        // A clock whose durations are its own can only be waited for by itself.
        Task.detached {
          try? await clock.sleep(until: instant, tolerance: tolerance)
          self.submit(job, kind: .preferring)
        }
      }
    }
  }

  extension LoopExecutor {
    /// Runs a job that belongs to no executor: as on the global pool, which the runtime itself
    /// writes as two zero words. Run as one that prefers the loop, it would move on to the pool.
    func runUnbound(_ job: UnownedJob) {
      let none = unsafe unsafeBitCast((UInt(0), UInt(0)), to: UnownedSerialExecutor.self)
      unsafe job.runSynchronously(on: none)
    }
  }

  extension JobLayout {
    /// Whether the private words of a job are where ``JobLayout`` takes them to be.
    static let isIntrusive: Bool = {
      let probe = LayoutProbe()
      Task(executorPreference: probe) {}
      return probe.found
    }()
  }

  /// Looks at one job and runs it at once, on the thread that made it.
  ///
  /// `@unchecked Sendable`: used by one thread only.
  private final class LayoutProbe: TaskExecutor, @unchecked Sendable {
    var found = false

    func enqueue(_ job: consuming ExecutorJob) {
      let words = unsafe job.withUnsafeExecutorPrivateData { unsafe $0 }
      let job = UnownedJob(job)
      unsafe found =
        words.baseAddress == UnsafeMutableRawPointer(JobLayout.node(of: job))
        && words.count >= MemoryLayout<ob_node>.size
      unsafe job.runSynchronously(on: asUnownedTaskExecutor())
    }
  }
#else
  extension LoopExecutor: TaskExecutor, SerialExecutor {
    /// Queues a job. Any thread.
    ///
    /// - Parameter job: Run once, on the loop thread.
    public func enqueue(_ job: consuming ExecutorJob) {
      submit(UnownedJob(job), kind: .isolated)
    }
  }

  extension LoopExecutor {
    /// There are no such jobs here.
    func runUnbound(_ job: UnownedJob) { run(job, kind: .preferring) }
  }

  extension JobLayout {
    /// Nothing is known of the layout.
    static let isIntrusive = false
  }
#endif
