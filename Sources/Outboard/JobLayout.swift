internal import COutboard

/// Queue nodes for Swift jobs.
///
/// A job has two private words for whoever schedules it (`SchedulerPrivate` in the runtime's
/// ABI/Task.h), at an offset that is the same in every Swift that this file knows. An `ob_node` is
/// two words. So a job is queued in its own memory. `isIntrusive`, in the file of the runtime's
/// SPI, says whether that holds for the runtime that is loaded; where it does not, a node is
/// allocated.
enum JobLayout {
  /// Bytes from the start of a job to its private words.
  static let privateWords = 16

  /// What the core is to call for a node.
  typealias Run = @convention(c) (UnsafeMutablePointer<ob_node>?, Int32) -> Void

  /// The node in a job's own memory.
  static func node(of job: UnownedJob) -> UnsafeMutablePointer<ob_node> {
    let start = unsafe unsafeBitCast(job, to: UnsafeMutableRawPointer.self)
    return unsafe (start + privateWords).assumingMemoryBound(to: ob_node.self)
  }

  /// The job in whose memory a node is.
  static func job(of node: UnsafeMutablePointer<ob_node>) -> UnownedJob {
    let start = unsafe UnsafeMutableRawPointer(node) - privateWords
    return unsafe unsafeBitCast(start, to: UnownedJob.self)
  }
}
