internal import COutboard

/// A queue node beside its job, for a runtime whose jobs are laid out differently.
@safe struct JobNode {
  /// First, so that a pointer to it is one to the whole.
  private var node = unsafe ob_node()
  private let job: UnownedJob
  private let kind: JobKind

  private init(_ job: UnownedJob, kind: JobKind) {
    self.job = job
    self.kind = kind
  }

  /// Allocates a node that runs a job on the loop and frees itself.
  static func make(_ job: UnownedJob, kind: JobKind) -> UnsafeMutablePointer<ob_node> {
    let memory = UnsafeMutablePointer<JobNode>.allocate(capacity: 1)
    unsafe memory.initialize(to: JobNode(job, kind: kind))
    unsafe memory.pointee.node.run = { node, _ in
      guard let node = unsafe node, let executor = LoopExecutor.current else { return }
      let (job, kind) = unsafe JobNode.take(node)
      executor.run(job, kind: kind)
    }
    return unsafe UnsafeMutableRawPointer(memory).assumingMemoryBound(to: ob_node.self)
  }

  /// Frees a node, giving back what it stood for.
  @discardableResult
  static func take(_ node: UnsafeMutablePointer<ob_node>) -> (job: UnownedJob, kind: JobKind) {
    let memory = unsafe UnsafeMutableRawPointer(node).assumingMemoryBound(to: JobNode.self)
    let record = unsafe memory.move()
    unsafe memory.deallocate()
    return (record.job, record.kind)
  }
}
