/// One task that waits for a descriptor.
///
/// `@unchecked Sendable`: as its superclass; what it adds does not change.
final class DescriptorWait: LoopWait, DescriptorWaiter, @unchecked Sendable {
  private let fd: Int32
  private let direction: IODirection
  /// Keeps the number from being another file's; nil when that is the user's business.
  private let owner: OwnedDescriptor?

  /// - Parameters:
  ///   - executor: The loop's.
  ///   - fd: Which descriptor.
  ///   - direction: For what.
  ///   - owner: Whose it is, if it is ours: its registration then stays until it is closed.
  ///   - expiry: When to give up.
  init(
    _ executor: LoopExecutor, fd: Int32, direction: IODirection, owner: OwnedDescriptor? = nil,
    expiry: Expiry
  ) {
    self.fd = fd
    self.direction = direction
    self.owner = owner
    super.init(executor, expiry: expiry)
  }

  override func begin() throws(EngineError) {
    // One that is closed later goes through the loop, and ends this wait there.
    if let owner, owner.isClosed { throw owner.closedError }
    try LoopIO.of(executor).begin(self, fd: fd, direction: direction, stays: owner != nil)
  }

  override func withdraw() { executor.io?.withdraw(fd: fd, direction: direction) }
}
