extension EngineError: CustomStringConvertible {
  /// Cause and cure, in a sentence or two.
  public var description: String {
    switch self {
    case .invalidArgument(let detail):
      "invalid argument: \(detail)"
    case .outOfMemory:
      "out of memory: the call was not made; free some and try again"
    case .queueFull:
      "the engine's queue is full: slow down, pass whenFull: .wait, or raise the limit"
    case .timedOut(let detail):
      "the deadline expired" + suffix(detail)
    case .cancelled:
      "the call was cancelled"
    case .shutdown:
      "the engine is stopping or stopped: start another one"
    case .deadlock(let detail):
      "waiting here would wait for itself\(suffix(detail)): await the call in place of blocking"
    case .busy(let detail):
      "still in use" + suffix(detail)
    case .stopInProgress:
      "the stop has begun; it cannot be waited for on the loop thread: wait elsewhere"
    case .forked:
      "the engine belongs to the parent process: start one in the child, or use ForkPolicy.restart"
    case .broken(let detail):
      "the engine's descriptors were closed by the host\(suffix(detail)): start another engine"
    case .system(let detail):
      "a system call failed" + suffix(detail)
    case .io(let failure):
      failure.description
    case .closed(let detail):
      "closed: \(detail)"
    case .tooLarge(let detail):
      "too much: \(detail)"
    case .notFound(let detail):
      detail
    case .startFailed(let error):
      "the start hook failed: \(error)"
    case .body(let error):
      "the body of the call threw: \(error)"
    case .unknown(let status, let detail):
      "status \(status)" + suffix(detail)
    }
  }

  private func suffix(_ detail: String?) -> String {
    guard let detail, !detail.isEmpty else { return "" }
    return ": \(detail)"
  }
}
