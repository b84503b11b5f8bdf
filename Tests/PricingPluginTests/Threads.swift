import Glibc

@testable import PricingPlugin

/// Runs a body on many threads of the system at once and waits for all. Not tasks: hosts call from
/// threads, and a body that blocks must not take those of the cooperative pool.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  var threads: [pthread_t] = []
  for index in 0..<count {
    let work = unsafe Unmanaged.passRetained(ThreadBody { body(index) })
    var thread = pthread_t()
    let code = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, unsafe work.toOpaque())
    if code == 0 { threads.append(thread) } else { unsafe work.release() }
  }
  for thread in threads { pthread_join(thread, nil) }
}

private final class ThreadBody: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}
