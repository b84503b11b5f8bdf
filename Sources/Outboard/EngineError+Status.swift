internal import COutboard

extension EngineError {
  /// The error of a status that the core has just returned on this thread, with its detail.
  ///
  /// - Parameter status: Not `OB_OK`.
  init(returned status: Int32) {
    let detail = unsafe String(cString: ob_last_error_detail())
    self.init(status: status, detail: detail.isEmpty ? nil : detail)
  }

  /// The error of a status that another thread has reported.
  ///
  /// - Parameters:
  ///   - status: Not `OB_OK`.
  ///   - detail: What the core said about it, if it did.
  init(status: Int32, detail: String?) {
    let text = unsafe detail ?? String(cString: ob_strerror(status))
    switch status {
    case OB_EINVAL.rawValue: self = .invalidArgument(text)
    case OB_ENOMEM.rawValue: self = .outOfMemory
    case OB_EAGAIN.rawValue: self = .queueFull
    case OB_ETIMEDOUT.rawValue: self = .timedOut(detail)
    case OB_ECANCELED.rawValue: self = .cancelled
    case OB_ESHUTDOWN.rawValue: self = .shutdown
    case OB_EDEADLK.rawValue: self = .deadlock(text)
    case OB_EBUSY.rawValue: self = .busy(text)
    case OB_EINPROGRESS.rawValue: self = .stopInProgress
    case OB_EFORKED.rawValue: self = .forked
    case OB_EBROKEN.rawValue: self = .broken(text)
    case OB_ESYSTEM.rawValue: self = .system(text)
    default: self = .unknown(status: Int(status), detail: text)
    }
  }
}
