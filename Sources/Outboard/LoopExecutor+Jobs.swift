internal import COutboard

extension LoopExecutor {
  /// Queues a job for the loop thread, or for the fallback thread once the loop has closed.
  ///
  /// Any thread. Allocates nothing while the loop is open.
  ///
  /// - Parameters:
  ///   - job: Run exactly once.
  ///   - kind: As what it runs; `preferring` or `isolated`.
  func submit(_ job: UnownedJob, kind: JobKind) {
    guard jobsAreIntrusive else { return submitBeside(job, kind: kind) }
    let node = unsafe JobLayout.node(of: job)
    if kind == .isolated {
      unsafe node.pointee.run = runIsolatedJob
    } else {
      unsafe node.pointee.run = runPreferringJob
    }
    guard unsafe ob_spi_push(handle, node) != OB_OK.rawValue else { return }
    FallbackThread.shared.submit(job, kind: kind, executor: self)
  }

  private func submitBeside(_ job: UnownedJob, kind: JobKind) {
    let node = unsafe JobNode.make(job, kind: kind)
    guard unsafe ob_spi_push(handle, node) != OB_OK.rawValue else { return }
    unsafe JobNode.take(node)
    FallbackThread.shared.submit(job, kind: kind, executor: self)
  }

  /// Runs a job. Loop thread, or fallback thread.
  func run(_ job: UnownedJob, kind: JobKind) {
    switch kind {
    case .preferring:
      unsafe job.runSynchronously(on: asUnownedTaskExecutor())
    case .isolated:
      unsafe job.runSynchronously(
        isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
    case .unbound:
      runUnbound(job)
    }
  }

  /// Whether the current task prefers this executor, as those on an actor that lives here need not.
  var isPreferred: Bool {
    unsafe withUnsafeCurrentTask { task in
      unsafe task?.unownedTaskExecutor == asUnownedTaskExecutor()
    }
  }

  /// Whether the caller runs on the loop thread, or for this executor on the fallback thread.
  var isIsolating: Bool {
    isOnLoop || FallbackThread.isRunning(for: self)
  }
}

/// Runs a nonisolated job in whose memory the node is.
private func runPreferringJob(_ node: UnsafeMutablePointer<ob_node>?, _ status: Int32) {
  unsafe runJob(node, kind: .preferring)
}

/// The same for a job of an actor.
private func runIsolatedJob(_ node: UnsafeMutablePointer<ob_node>?, _ status: Int32) {
  unsafe runJob(node, kind: .isolated)
}

/// The loop holds its executor until it closes, so no reference needs to be taken here.
private func runJob(_ node: UnsafeMutablePointer<ob_node>?, kind: JobKind) {
  guard let node = unsafe node, let context = unsafe ob_spi_current_context() else { return }
  let job = unsafe JobLayout.job(of: node)
  unsafe Unmanaged<LoopExecutor>.fromOpaque(context)._withUnsafeGuaranteedRef { executor in
    executor.run(job, kind: kind)
  }
}
