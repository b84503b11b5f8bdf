/// The Swift object of the process's shared engine.
///
/// `@unchecked Sendable`: everything is protected by `monitor`.
@safe final class SharedEngine: @unchecked Sendable {
  private static let instance = SharedEngine()

  private let monitor = Monitor()
  private var engine: Engine?

  /// The object of a handle, always the same one. Any thread.
  static func engine(for handle: OpaquePointer) throws(EngineError) -> Engine {
    instance.monitor.lock()
    defer { instance.monitor.unlock() }
    if let known = instance.engine, unsafe known.executor.handle == handle { return known }
    let engine = try unsafe Engine(handle: handle)
    instance.engine = engine
    return engine
  }
}
