internal import COutboard

/// One event loop on one thread of its own, with two faces: calls that block the calling thread
/// and calls that are awaited.
///
/// Everything handed to an engine runs on its loop thread, in the order in which it was handed in;
/// what blocks goes to ``offload(deadline:whenFull:_:)``. Tasks run there through ``executor``.
///
/// An engine stops when its last reference goes: queued calls fail with ``EngineError/shutdown``,
/// running ones see cancellation. That never blocks and may happen on any thread, the loop's own
/// included. To wait for the end, use ``shutdown(mode:deadline:)`` or
/// ``shutdownAndWait(mode:deadline:)``.
public final class Engine: Sendable {
  /// The loop as an executor: for tasks by preference, for actors that live on it, and for
  /// sleeping.
  public let executor: LoopExecutor

  /// Starts an engine.
  ///
  /// Blocks the calling thread while the loop thread starts, some 50 microseconds.
  ///
  /// - Parameter configuration: Its options.
  /// - Throws: ``EngineError/invalidArgument(_:)``, ``EngineError/outOfMemory`` or
  ///   ``EngineError/system(_:)``.
  public convenience init(_ configuration: Configuration = Configuration()) throws(EngineError) {
    unsafe try self.init(handle: configuration.start(ob_engine_start))
  }

  /// Takes over an engine of the core that has just been started.
  init(handle: OpaquePointer) throws(EngineError) {
    unsafe executor = LoopExecutor(handle: handle)
    try executor.open(for: self)
  }

  deinit {
    executor.beginStop()
  }

  /// The engine whose loop thread the caller runs on, if any.
  ///
  /// Any thread; synchronous code only sees what thread it is on.
  public static var current: Engine? { LoopExecutor.current?.engine }

  /// True on this engine's loop thread.
  public var isOnLoop: Bool { executor.isOnLoop }
}
