/// What can happen to an operation that runs beside a timer.
enum TimedEvent<R: Sendable>: Sendable {
  case ended(Result<R, any Error>)
  case expired
  case timerCancelled
}
