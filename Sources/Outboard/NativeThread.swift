internal import COutboard

/// Threads of the Swift layer's own: detached, with a guest's signal mask.
enum NativeThread {
  fileprivate final class Body {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts a detached thread.
  ///
  /// - Parameters:
  ///   - name: At most 15 bytes.
  ///   - body: What it runs.
  /// - Throws: ``EngineError/outOfMemory`` or ``EngineError/system(_:)``; the body is then not run.
  static func start(
    name: StaticString, _ body: @escaping @Sendable () -> Void
  ) throws(EngineError) {
    let argument = unsafe Unmanaged.passRetained(Body(body))
    let text = unsafe UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    let status = unsafe ob_spi_thread_start(text, runBody, argument.toOpaque())
    guard status == OB_OK.rawValue else {
      unsafe argument.release()
      throw EngineError(returned: status)
    }
  }
}

private func runBody(_ argument: UnsafeMutableRawPointer?) {
  guard let argument = unsafe argument else { return }
  unsafe Unmanaged<NativeThread.Body>.fromOpaque(argument).takeRetainedValue().run()
}
