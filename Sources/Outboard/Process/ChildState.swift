/// Where a child process is in its life, and what is to be done about it.
struct ChildState {
  /// What the shell is to do.
  enum Action: Equatable {
    case sendTerm
    case sendKill
    /// Kills what is left of the group. Before `reap`, which frees the group's number.
    case killGroup
    case startGrace
    case stopGrace
    /// Take the end, and tell `reaped`.
    case reap
    /// Tell those that wait.
    case tell
    /// The loop closes: another thread sees to the end.
    case handOver
  }

  /// How it ended, or why that will never be known.
  typealias End = Result<ChildEnd, EngineError>

  private enum Phase: Equatable {
    case running
    case terminating
    case killed
    case ended
  }

  private var phase = Phase.running
  private(set) var end: End?
  /// Whether it leads a group of its own.
  let leadsGroup: Bool

  init(leadsGroup: Bool) { self.leadsGroup = leadsGroup }

  /// Whether it may be sent signals: it was not reaped.
  var isAlive: Bool { phase != .ended }

  /// It shall end: TERM now, KILL after the grace. Again changes nothing.
  mutating func terminate() -> [Action] {
    guard phase == .running else { return [] }
    phase = .terminating
    return [.sendTerm, .startGrace]
  }

  /// The grace is over.
  mutating func graceIsOver() -> [Action] {
    guard phase == .terminating else { return [] }
    phase = .killed
    return [.sendKill]
  }

  /// Its pidfd says that it has ended. If it was told to, so were its descendants, who may be slower
  /// than it, or deaf.
  func ready() -> [Action] {
    switch phase {
    case .running: [.reap]
    case .terminating, .killed: leadsGroup ? [.killGroup, .reap] : [.reap]
    case .ended: []
    }
  }

  /// Its end was taken.
  mutating func reaped(_ end: End) -> [Action] {
    guard phase != .ended else { return [] }
    let graceRuns = phase == .terminating
    phase = .ended
    self.end = end
    return graceRuns ? [.stopGrace, .tell] : [.tell]
  }

  /// It cannot be watched any more, as the loop closes: it does not outlive its engine.
  ///
  /// - Parameter error: Why, for those that wait.
  /// - Returns: What to do.
  mutating func unwatched(_ error: EngineError) -> [Action] {
    let before = phase
    guard before != .ended else { return [] }
    phase = .ended
    end = .failure(error)
    return before == .running ? [.sendTerm, .handOver, .tell] : [.handOver, .tell]
  }
}
