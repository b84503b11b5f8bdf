/// Why a call was not answered, or the error its body threw.
///
/// Every throwing function of an ``Engine`` throws exactly this type. The tools that run an
/// operation for its caller (``withDeadline(_:_:)``, ``retry(_:_:)`` and the like) let the
/// operation's own error pass as it is, and throw this type for what they have to say themselves.
/// `description` says what happened and what to do about it.
public enum EngineError: Error {
  /// An option or argument is out of range; the text names it.
  case invalidArgument(String)
  /// There is no memory.
  case outOfMemory
  /// The queue, or the offload queue, is full and the call was not to wait for room.
  case queueFull
  /// The deadline expired. After a stop the text names what still runs.
  case timedOut(String?)
  /// The call was cancelled, by its ticket or through the awaiting task.
  case cancelled
  /// The engine is stopping or has stopped.
  case shutdown
  /// The wait could never have ended: it was asked for on the loop thread itself, or engines would
  /// have waited for each other (the text names the cycle). Nothing was run.
  case deadlock(String)
  /// The engine is still in use.
  case busy(String)
  /// A stop asked for on the loop thread has begun; it is finished from another thread.
  case stopInProgress
  /// The engine belongs to the parent of this forked process.
  case forked
  /// The host closed or replaced the engine's descriptors.
  case broken(String)
  /// The system refused a thread or a descriptor; the text has the reason.
  case system(String)
  /// An operation on a descriptor, file, address or process failed.
  case io(IOFailure)
  /// The stream, listener or descriptor was closed here, before or while it was waited for; the text
  /// says which.
  case closed(String)
  /// More came than the limit that was set allows; the text names both.
  case tooLarge(String)
  /// The name has no address, or could not be looked up; the text says which.
  case notFound(String)
  /// The start hook threw this error.
  case startFailed(any Error)
  /// The body of the call threw this error.
  case body(any Error)
  /// A status of the core that this version does not know.
  case unknown(status: Int, detail: String)
}
