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
  /// Blocks the calling thread while the loop thread starts, some 30 microseconds.
  ///
  /// - Parameter configuration: Its options.
  /// - Throws: ``EngineError/invalidArgument(_:)``, ``EngineError/outOfMemory`` or
  ///   ``EngineError/system(_:)``.
  public convenience init(_ configuration: Configuration = Configuration()) throws(EngineError) {
    unsafe try self.init(handle: configuration.start(ob_engine_start), owned: true)
  }

  /// Makes the Swift side of an engine of the core that has just been started.
  ///
  /// - Parameters:
  ///   - handle: The core's engine.
  ///   - owned: Whether it ends with this object.
  /// - Throws: ``EngineError/shutdown`` when it is being stopped already.
  init(handle: OpaquePointer, owned: Bool) throws(EngineError) {
    unsafe executor = LoopExecutor(handle: handle, owned: owned)
    try executor.open(for: self)
  }

  deinit {
    executor.letGo()
  }

  /// The engine whose loop thread the caller runs on, if any.
  ///
  /// Any thread; synchronous code only sees what thread it is on.
  public static var current: Engine? { LoopExecutor.current?.engine }

  /// True on this engine's loop thread.
  public var isOnLoop: Bool { executor.isOnLoop }
}
