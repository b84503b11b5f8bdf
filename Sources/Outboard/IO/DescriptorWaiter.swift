/// Waits for a descriptor on the loop.
protocol DescriptorWaiter: AnyObject {
  /// The wait is over, once. Loop thread. Must not run anything of the user's.
  ///
  /// - Parameter error: Nil when the descriptor is ready.
  func ended(_ error: EngineError?)
}
