internal import Synchronization

/// The plugin as the host sees it, without C.
final class Plugin: Sendable {
  let lifecycle = Guarded(Lifecycle<PricingService>())
  /// The service once it runs, which is for good. Calls read it without the lock: in a child of
  /// `fork` the lock may be held for ever, by a thread that the child has not got.
  private let running = AtomicLazyReference<PricingService>()

  /// - Returns: The ABI's code: 0, 1 not understood, 2 configured already and otherwise.
  func configure(json: [UInt8]) -> Int32 {
    lifecycle.withLock { $0.configure(json: json) }
  }

  /// Starts the engine and opens the database.
  ///
  /// - Returns: Why that failed, or nil.
  @available(*, noasync)
  func start() -> PluginFault? {
    do throws(PluginFault) {
      let next = try lifecycle.withLock { (state) throws(PluginFault) in try state.begin() }
      guard case .start(let configuration) = next else { return nil }
      let result = Result { () throws(PluginFault) in try PricingService(configuration) }
      lifecycle.withLock { $0.end(result) }
      _ = running.storeIfNil(try result.get())
      return nil
    } catch {
      return error
    }
  }

  /// Calls a tool and waits for its answer.
  @available(*, noasync)
  func call(_ name: String, json: [UInt8]) -> Reply {
    do throws(PluginFault) {
      let call = try ToolCall(name: name, json: json)
      return try service().answer(call)
    } catch {
      return Reply(error)
    }
  }

  private func service() throws(PluginFault) -> PricingService {
    if let service = running.load() { return service }
    return try lifecycle.withLock { (state) throws(PluginFault) in try state.service() }
  }
}
