extension Engine {
  /// A periodic timer on the loop, as a sequence.
  ///
  /// Beats are due at multiples of the interval, so that lateness does not add up; what passed while
  /// the last one was dealt with is skipped and counted (``Tick/missed``).
  ///
  /// - Parameters:
  ///   - interval: Above zero; never shorter between two due times, each late by a millisecond or so.
  ///   - first: From the start of the iteration to the first beat; nil for one interval.
  /// - Returns: A sequence without end.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for an interval that is not above zero.
  public func ticks(
    every interval: Duration, first: Duration? = nil
  ) throws(EngineError) -> Ticks {
    guard interval > .zero else {
      throw .invalidArgument("an interval of \(interval): it must be above zero")
    }
    return Ticks(
      executor: executor, interval: interval.saturatedNanoseconds,
      first: (first ?? interval).saturatedNanoseconds)
  }

  /// Runs a body on the loop again and again.
  ///
  /// It never overlaps with itself: beats that pass while it is suspended are skipped. It ends when
  /// the body throws, when the engine stops, and when it is cancelled or let go.
  ///
  /// - Parameters:
  ///   - interval: Above zero.
  ///   - first: From now to the first beat; nil for one interval.
  ///   - body: Every step of it runs on the loop thread; must not block.
  /// - Returns: To cancel it, or to await its end.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for an interval that is not above zero.
  public func every(
    _ interval: Duration, first: Duration? = nil,
    _ body: @escaping @Sendable (Tick) async throws -> Void
  ) throws(EngineError) -> PeriodicTask {
    let ticks = try ticks(every: interval, first: first)
    return PeriodicTask(
      Task(executorPreference: executor) {
        do {
          for try await tick in ticks { try await body(tick) }
          return nil
        } catch let error as EngineError {
          return error
        } catch {
          return .body(error)
        }
      })
  }
}
