/// Which of a number of operations start when, and what a failure does to the rest.
struct GatherState {
  /// What a failure does.
  enum Manner {
    case failFast
    case collectAll
  }

  /// What to do next.
  enum Action: Equatable {
    /// Start the operation of this number.
    case start(Int)
    /// It will not run: the caller is cancelled.
    case refuse(Int)
    /// Wait for one that runs.
    case wait
    /// None runs, and none will.
    case finish
  }

  let count: Int
  private let limit: Int
  private let manner: Manner
  /// The next one to start.
  private var next = 0
  private var running = 0
  /// No more are to be started: one has failed.
  private var stopping = false

  init(_ count: Int, _ limit: Int, _ manner: Manner) {
    self.count = count
    self.limit = limit
    self.manner = manner
  }

  /// - Throws: ``EngineError/invalidArgument(_:)`` for a limit that lets nothing run.
  func check() throws(EngineError) {
    if limit < 1 { throw .invalidArgument("the limit of gather is \(limit); at least 1") }
  }

  mutating func next(cancelled: Bool) -> Action {
    guard next < count, !stopping else { return running > 0 ? .wait : .finish }
    if !cancelled, running == limit { return .wait }
    defer { next += 1 }
    if !cancelled { running += 1 }
    return cancelled ? .refuse(next) : .start(next)
  }

  /// One that was started has ended.
  ///
  /// - Returns: Whether to cancel those that run.
  mutating func ended<R>(_ result: Result<R, any Error>) -> Bool {
    running -= 1
    guard manner == .failFast, case .failure = result, !stopping else { return false }
    stopping = true
    return true
  }
}
