internal import COutboard

/// A closure that the core's watchdog calls. The core holds it until it will not call it any more.
final class StallHook: Sendable {
  private let body: @Sendable (Engine.Stall) -> Void

  init(_ body: @escaping @Sendable (Engine.Stall) -> Void) { self.body = body }

  /// Puts itself into options, with a reference that ``release(_:)`` gives back.
  func install(in options: inout ob_inspect_opts) {
    unsafe options.stall_user = Unmanaged.passRetained(self).toOpaque()
    unsafe options.on_stall = { stall, user in
      guard let stall = unsafe stall, let user = unsafe user else { return }
      let found = unsafe Engine.Stall(stall.pointee)
      unsafe Unmanaged<StallHook>.fromOpaque(user)._withUnsafeGuaranteedRef { $0.body(found) }
    }
    unsafe options.stall_destroy = { unsafe StallHook.release($0) }
  }

  static func release(_ user: UnsafeMutableRawPointer?) {
    guard let user = unsafe user else { return }
    unsafe Unmanaged<StallHook>.fromOpaque(user).release()
  }
}
