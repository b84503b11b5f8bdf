internal import COutboard

/// A body that nobody waits for, on its way to the loop: one object and two words in a lane.
final class Post: Sendable {
  private let body: @Sendable () -> Void
  private let name: StaticString

  init(_ body: @escaping @Sendable () -> Void, name: StaticString) {
    self.body = body
    self.name = name
  }

  /// Hands the body to the engine. Any thread.
  ///
  /// - Returns: Success, or why it was refused.
  func submit(to executor: LoopExecutor, whenFull: QueueFullPolicy) -> CallStatus {
    let held = unsafe Unmanaged.passRetained(self)
    let status = unsafe ob_spi_post(
      executor.handle,
      { word, status in
        guard let word = unsafe word else { return }
        let post = unsafe Unmanaged<Post>.fromOpaque(word).takeRetainedValue()
        if status == OB_OK.rawValue { post.run() }
      }, held.toOpaque(), whenFull == .fail ? 1 : 0)
    guard status == OB_OK.rawValue else {
      let refusal = CallStatus.refused(status)
      unsafe held.release()
      return refusal
    }
    return .ended(OB_OK.rawValue)
  }

  private func run() {
    let outer = unsafe ob_spi_name_begin(name.nativeName)
    body()
    unsafe ob_spi_name_end(outer)
  }
}
