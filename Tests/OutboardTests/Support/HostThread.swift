import Glibc

/// A thread as a host would have it: blocking on it starves nobody.
final class HostThread: @unchecked Sendable {
  // The thread is joined by whoever made it.
  private var thread = pthread_t()

  private final class Body {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  init(_ body: @escaping @Sendable () -> Void) {
    let argument = unsafe Unmanaged.passRetained(Body(body)).toOpaque()
    let status = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, argument)
    precondition(status == 0)
  }

  func join() { pthread_join(thread, nil) }

  func detach() { pthread_detach(thread) }

  /// Runs a body on a fresh thread while the calling task is suspended.
  static func run<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    let result: Result<R, any Error> = await withCheckedContinuation { continuation in
      HostThread { continuation.resume(returning: Result(catching: body)) }.detach()
    }
    return try result.get()
  }

  /// Runs a body on several threads at once and waits for them.
  static func race(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = (0..<count).map { index in HostThread { body(index) } }
    for thread in threads { thread.join() }
  }
}
