internal import COutboard

/// A stream whose producer is an asynchronous body on the loop.
///
/// `@unchecked Sendable`: everything here belongs to the loop thread once the stream is open.
final class StreamTask<Element: Sendable>: StreamLink, @unchecked Sendable {
  typealias Body = @Sendable (StreamWriter<Element>) async throws -> Void

  private var body: Body?
  private var task: Task<Void, Never>?
  private var isCancelled = false

  init(_ body: @escaping Body) { self.body = body }

  override func start(_ emitter: OpaquePointer) {
    guard let body = body.take(), let executor = LoopExecutor.current else {
      preconditionFailure("Outboard: a stream is begun once, on its engine's loop")
    }
    let writer = unsafe StreamWriter<Element>(emitter, self)
    let task = Task.immediate(executorPreference: executor) {
      do {
        try await body(writer)
        writer.finish()
      } catch {
        // A body that ends because it was cancelled says so by throwing.
        if writer.isCancelled, EngineError.isCancellation(error) {
          writer.finish(status: OB_ECANCELED.rawValue, nil)
        } else {
          writer.finish(throwing: error)
        }
      }
    }
    self.task = task
    if isCancelled { task.cancel() }
  }

  override func cancelled() {
    isCancelled = true
    task?.cancel()
    super.cancelled()
  }
}
