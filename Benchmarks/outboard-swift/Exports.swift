internal import CBench
internal import Outboard

/// `start` of bench.h.
@c(outboard_swift_start)
public func start() -> UnsafeMutableRawPointer {
  unsafe Unmanaged.passRetained(Subject()).toOpaque()
}

/// `stop` of bench.h.
@c(outboard_swift_stop)
public func stop(_ context: UnsafeMutableRawPointer) {
  let subject = unsafe Unmanaged<Subject>.fromOpaque(context).takeRetainedValue()
  do { try subject.engine.shutdownAndWait() } catch { fail(error) }
}

/// `sync` of bench.h.
@c(outboard_swift_sync)
public func sync(_ context: UnsafeMutableRawPointer, _ x: Int32) -> Int32 {
  do {
    return try unsafe Subject.at(context).engine.callAndWait { bench_handle(x) }
  } catch {
    fail(error)
  }
}

/// `post` of bench.h.
@c(outboard_swift_post)
public func post(_ context: UnsafeMutableRawPointer, _ count: UnsafeMutablePointer<UInt64>) {
  nonisolated(unsafe) let count = unsafe count
  do {
    try unsafe Subject.at(context).engine.post(whenFull: .wait) { unsafe bench_count(count) }
  } catch {
    fail(error)
  }
}

/// A submission's answer goes to its callback on the loop, as a closure that is posted does it.
@c(outboard_swift_submit)
public func submit(
  _ context: UnsafeMutableRawPointer, _ x: Int32,
  _ done: @escaping @Sendable @convention(c) (UnsafeMutableRawPointer?, Int32) -> Void,
  _ argument: UnsafeMutableRawPointer?
) {
  nonisolated(unsafe) let argument = unsafe argument
  do {
    try unsafe Subject.at(context).engine.post(whenFull: .wait) {
      unsafe done(argument, bench_handle(x))
    }
  } catch {
    fail(error)
  }
}

/// `await` of bench.h.
@c(outboard_swift_await)
public func awaitTasks(
  _ context: UnsafeMutableRawPointer, _ from: UnsafePointer<CChar>, _ tasks: Int32
) -> Int32 {
  guard let origin = unsafe Origin(String(cString: from)) else { return 0 }
  if origin == .queue, !tasks.isMultiple(of: 2) { return 0 }  // who waits alone waits for ever
  unsafe Subject.at(context).runTasks(tasks, from: origin)
  return 1
}
