internal import CBench
internal import Dispatch

// A plain actor on the default pool, awaited by tasks there: what Swift code does without an event
// loop. Fair, because nothing in the language is nearer to it; unlike a loop it blocks nobody and
// does no I/O, which favours it.

actor Handler {
  func handle(_ x: Int32) -> Int32 { bench_handle(x) }

  static func at(_ context: UnsafeMutableRawPointer) -> Handler {
    Unmanaged<Handler>.fromOpaque(context).takeUnretainedValue()
  }
}

/// `start` of bench.h.
@c(actor_start)
public func start() -> UnsafeMutableRawPointer {
  Unmanaged.passRetained(Handler()).toOpaque()
}

/// `stop` of bench.h.
@c(actor_stop)
public func stop(_ context: UnsafeMutableRawPointer) {
  Unmanaged<Handler>.fromOpaque(context).release()
}

/// `await` of bench.h.
@c(actor_await)
public func awaitTasks(
  _ context: UnsafeMutableRawPointer, _ from: UnsafePointer<CChar>, _ tasks: Int32
) -> Int32 {
  guard String(cString: from) == "pool" else { return 0 }
  let handler = Handler.at(context)
  let group = DispatchGroup()
  for index in 0..<tasks {
    group.enter()
    Task {
      var x = bench_step(index, -1)
      while x >= 0 { x = bench_step(index, await handler.handle(x)) }
      group.leave()
    }
  }
  group.wait()
  return 1
}
