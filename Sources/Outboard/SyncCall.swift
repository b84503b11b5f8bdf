internal import COutboard

/// A call whose body runs from beginning to end in one go: on the loop thread, or on a pool thread.
///
/// `@unchecked Sendable`: `body` is taken by the one thread that runs it.
final class SyncCall<R: Sendable>: TypedCall<R>, @unchecked Sendable {
  private var body: (@Sendable () throws -> R)?

  init(_ body: @escaping @Sendable () throws -> R) { self.body = body }

  override func run(_ request: OpaquePointer) {
    guard let body = body.take() else { return }
    let outer = unsafe CurrentRequest.enter(request)
    let result = Result(catching: body)
    unsafe CurrentRequest.leave(outer)
    unsafe answer(request, result)
  }
}
