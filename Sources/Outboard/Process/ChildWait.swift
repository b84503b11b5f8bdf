/// One task that waits for the end of a child.
///
/// `@unchecked Sendable`: `end` is written on the loop thread before the task is resumed.
final class ChildWait: LoopWait, @unchecked Sendable {
  private let child: ChildRecord
  private(set) var end: ChildState.End?

  /// - Parameters:
  ///   - child: Which.
  ///   - expiry: When to stop waiting.
  init(_ child: ChildRecord, expiry: Expiry) {
    self.child = child
    super.init(child.executor, expiry: expiry)
  }

  override func begin() throws(EngineError) {
    if let end = child.end { return finish(end) }
    child.add(self)
  }

  override func withdraw() { child.remove(self) }

  /// Loop thread.
  func finish(_ end: ChildState.End?) {
    self.end = end
    ended(nil)
  }
}
