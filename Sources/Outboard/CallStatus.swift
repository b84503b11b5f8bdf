internal import COutboard

/// How a call ended, or why it was refused.
@usableFromInline
enum CallStatus: Sendable {
  /// A status of the core, or ``threw``.
  case ended(Int32)
  /// A status of the core, with its detail if it has one: nothing was run.
  case refusal(Int32, detail: String?)

  /// The body threw; positive, so none of the core's.
  static let threw: Int32 = 1

  /// A refusal by the core on this thread, just now.
  static func refused(_ status: Int32) -> CallStatus {
    .refusal(status, detail: saysMore(status) ? lastDetail : nil)
  }

  /// The answer of a blocking call on this thread, just now: an end, unless it can only be a
  /// refusal.
  static func returned(_ status: Int32) -> CallStatus {
    saysMore(status) ? .refusal(status, detail: lastDetail) : .ended(status)
  }

  /// Whether a detail comes with this status whenever a call is refused with it. With others it may
  /// be that of an earlier failure.
  private static func saysMore(_ status: Int32) -> Bool {
    switch status {
    case OB_EINVAL.rawValue, OB_EDEADLK.rawValue, OB_EBROKEN.rawValue: true
    default: false
    }
  }

  private static var lastDetail: String? {
    let detail = unsafe String(cString: ob_last_error_detail())
    return detail.isEmpty ? nil : detail
  }

  var isRefusal: Bool {
    if case .refusal = self { true } else { false }
  }

  /// Whether the call was refused for want of room in the queue.
  var wantsRoom: Bool {
    if case .refusal(OB_EAGAIN.rawValue, _) = self { true } else { false }
  }

  /// The error; nil for success, and for a body's own error.
  @usableFromInline
  var error: EngineError? {
    switch self {
    case .ended(OB_OK.rawValue), .ended(Self.threw): nil
    case .ended(let status): EngineError(status: status, detail: nil)
    case .refusal(let status, let detail): EngineError(status: status, detail: detail)
    }
  }
}
