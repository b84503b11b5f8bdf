internal import Outboard

extension PluginFault {
  /// What an engine's error means to the caller of a tool.
  ///
  /// - Parameters:
  ///   - error: The fault itself where a body threw it, however deep.
  ///   - limit: What the call was given.
  init(_ error: any Error, limit: Duration) {
    switch error {
    case let fault as PluginFault: self = fault
    case let error as EngineError: self.init(engine: error, limit: limit)
    case is CancellationError: self = .cancelled
    default: self = .notReady("\(error)")
    }
  }

  private init(engine error: EngineError, limit: Duration) {
    switch error {
    case .body(let inner), .startFailed(let inner): self.init(inner, limit: limit)
    case .timedOut: self = .timedOut(limit)
    case .cancelled: self = .cancelled
    case .queueFull: self = .busy
    default: self = .notReady("The engine: \(error)")
    }
  }
}
