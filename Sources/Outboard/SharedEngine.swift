/// The Swift object of the process's shared engine.
///
/// `@unchecked Sendable`: everything is protected by `monitor`.
@safe final class SharedEngine: @unchecked Sendable {
  private static let process = PerProcess { SharedEngine() }

  private let monitor = Monitor()
  private var engine: Engine?

  /// The object of a handle, always the same one. Any thread.
  static func engine(for handle: OpaquePointer) throws(EngineError) -> Engine {
    let shared = process.current
    shared.monitor.lock()
    defer { shared.monitor.unlock() }
    if let known = shared.engine, unsafe known.executor.handle == handle { return known }
    let engine = try unsafe Engine(handle: handle, owned: false)
    shared.engine = engine
    return engine
  }
}
