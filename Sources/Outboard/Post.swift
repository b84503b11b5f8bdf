internal import COutboard

/// A body that nobody waits for, on its way to the loop: one piece of memory, which is the loop's
/// once it is accepted.
@safe struct Post {
  /// First: the core knows the post by it.
  private var errand: ob_errand
  private let body: @Sendable () -> Void

  private init(_ body: @escaping @Sendable () -> Void, _ name: StaticString) {
    unsafe errand = ob_errand()
    unsafe errand.name = name.nativeName
    unsafe errand.body = { errand, status in
      guard let errand = unsafe errand else { return }
      let post = unsafe UnsafeMutableRawPointer(errand).assumingMemoryBound(to: Post.self)
      let body = unsafe post.pointee.body
      unsafe post.deinitialize(count: 1)
      unsafe post.deallocate()
      if status == OB_OK.rawValue { body() }
    }
    self.body = body
  }

  /// Hands a body to the engine. Any thread.
  ///
  /// - Parameters:
  ///   - body: Released without running when the engine is stopped first.
  ///   - name: For the report of a stop that has to wait for it.
  ///   - executor: The engine's.
  ///   - whenFull: With a full queue, fail, or block until there is room.
  /// - Returns: Success, or why it was refused.
  static func submit(
    _ body: @escaping @Sendable () -> Void, name: StaticString, to executor: LoopExecutor,
    whenFull: QueueFullPolicy
  ) -> CallStatus {
    let post = UnsafeMutablePointer<Post>.allocate(capacity: 1)
    unsafe post.initialize(to: Post(body, name))
    let errand = unsafe UnsafeMutableRawPointer(post).assumingMemoryBound(to: ob_errand.self)
    let status = unsafe ob_spi_post(executor.handle, errand, whenFull == .fail ? 1 : 0)
    guard status == OB_OK.rawValue else {
      let refusal = CallStatus.refused(status)
      unsafe post.deinitialize(count: 1)
      unsafe post.deallocate()
      return refusal
    }
    return .ended(OB_OK.rawValue)
  }
}
