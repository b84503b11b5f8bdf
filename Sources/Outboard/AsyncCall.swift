internal import COutboard

/// A call whose body is asynchronous: a task that prefers the loop, so that every step of it runs
/// there.
///
/// The task is started by the handler, inline: its first step runs before anything else queued.
///
/// `@unchecked Sendable`: everything here belongs to the loop thread once the call is submitted.
final class AsyncCall<R: Sendable>: TypedCall<R>, @unchecked Sendable {
  /// Where the body is.
  private enum Phase {
    case waiting
    case running(Task<Void, Never>?)
    case cancelled
    case done
  }

  private var body: (@Sendable () async throws -> R)?
  private var phase = Phase.waiting
  /// The call's deadline, which holds for what the body does too.
  private let expiry: Expiry

  init(_ expiry: Expiry, _ body: @escaping @Sendable () async throws -> R) {
    self.expiry = expiry
    self.body = body
  }

  override func run(_ request: OpaquePointer) {
    guard let body = body.take(), let executor = LoopExecutor.current else {
      preconditionFailure("Outboard: an asynchronous body runs once, on its engine's loop")
    }
    let hook = unsafe ob_request_on_cancel(
      request,
      { _, call in
        guard let call = unsafe call else { return }
        unsafe Unmanaged<NativeCall>.fromOpaque(call).takeUnretainedValue().cancelBody()
      }, Unmanaged.passUnretained(self).toOpaque())
    guard hook == OB_OK.rawValue else {
      return unsafe answer(request, .failure(CancellationError()))
    }
    phase = .running(nil)
    let word = UInt(bitPattern: request)
    started(
      Task.immediate(executorPreference: executor) {
        let result: Result<R, any Error>
        do {
          result = .success(try await AmbientDeadline.with(self.expiry, body))
        } catch {
          result = .failure(error)
        }
        self.finish(word, result)
      })
  }

  /// The first step of the body has run.
  private func started(_ task: Task<Void, Never>) {
    switch phase {
    case .running: phase = .running(task)
    case .cancelled: task.cancel()
    case .waiting, .done: break
    }
  }

  override func cancelBody() {
    guard case .running(let task) = phase else { return }
    phase = .cancelled
    task?.cancel()
  }

  private func finish(_ request: UInt, _ result: Result<R, any Error>) {
    phase = .done
    guard let request = unsafe OpaquePointer(bitPattern: request) else { return }
    unsafe answer(request, result)
  }
}
