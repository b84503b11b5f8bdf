internal import CBench
internal import Dispatch

// Dispatch: a serial queue in the place of a loop, and a semaphore for a caller that waits.
//
// Fair, because it is what Swift code without an event loop does. `queue.sync` is left out: it runs
// the work on the caller's own thread. A submission is a block that ends by its callback.

/// What the driver's pointer stands for.
final class Subject: Sendable {
  let queue = DispatchQueue(label: "bench.serial", qos: .userInteractive)

  static func at(_ context: UnsafeMutableRawPointer) -> Subject {
    Unmanaged<Subject>.fromOpaque(context).takeUnretainedValue()
  }
}

/// `start` of bench.h.
@c(dispatch_start)
public func start() -> UnsafeMutableRawPointer {
  Unmanaged.passRetained(Subject()).toOpaque()
}

/// `stop` of bench.h.
@c(dispatch_stop)
public func stop(_ context: UnsafeMutableRawPointer) {
  Unmanaged<Subject>.fromOpaque(context).release()
}

/// `sync` of bench.h.
@c(dispatch_sync_call)
public func sync(_ context: UnsafeMutableRawPointer, _ x: Int32) -> Int32 {
  let semaphore = DispatchSemaphore(value: 0)
  nonisolated(unsafe) var answer: Int32 = 0
  Subject.at(context).queue.async {
    answer = bench_handle(x)
    semaphore.signal()
  }
  semaphore.wait()
  return answer
}

/// `post` of bench.h.
@c(dispatch_post)
public func post(_ context: UnsafeMutableRawPointer, _ count: UnsafeMutablePointer<UInt64>) {
  nonisolated(unsafe) let count = count
  Subject.at(context).queue.async { bench_count(count) }
}

/// `submit` of bench.h.
@c(dispatch_submit)
public func submit(
  _ context: UnsafeMutableRawPointer, _ x: Int32,
  _ done: @escaping @Sendable @convention(c) (UnsafeMutableRawPointer?, Int32) -> Void,
  _ argument: UnsafeMutableRawPointer?
) {
  nonisolated(unsafe) let argument = argument
  Subject.at(context).queue.async { done(argument, bench_handle(x)) }
}

/// `offload` of bench.h.
@c(dispatch_offload)
public func offload(_ context: UnsafeMutableRawPointer, _ x: Int32) -> Int32 {
  let semaphore = DispatchSemaphore(value: 0)
  nonisolated(unsafe) var answer: Int32 = 0
  Subject.at(context).queue.async {
    DispatchQueue.global().async {
      answer = bench_handle(x)
      semaphore.signal()
    }
  }
  semaphore.wait()
  return answer
}
