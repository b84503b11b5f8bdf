/// Runs each job on a thread of its own, which may block.
///
/// A continuation resumed by that thread would do as well, but when it is resumed before its task
/// has suspended, ThreadSanitizer sees a race: the runtime does not annotate that path.
final class ThreadExecutor: TaskExecutor {
  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    do {
      try NativeThread.start(name: "ob-stop") {
        unsafe job.runSynchronously(on: self.asUnownedTaskExecutor())
      }
    } catch {
      // No thread is to be had: this one blocks.
      unsafe job.runSynchronously(on: asUnownedTaskExecutor())
    }
  }
}
