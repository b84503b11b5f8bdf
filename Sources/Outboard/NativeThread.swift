internal import COutboard

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Threads of the Swift layer's own: detached, with a guest's signal mask.
enum NativeThread {
  fileprivate final class Body {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// The current thread, among those that live; never 0.
  static var currentID: UInt {
    #if os(Linux)
      pthread_self()
    #else
      unsafe UInt(bitPattern: pthread_self())
    #endif
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
