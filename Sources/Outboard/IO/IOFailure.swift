internal import COutboard

/// An operation that the system refused, with the system's own reason.
public struct IOFailure: Error, Sendable, Hashable {
  /// What was tried, on what: "connect to 127.0.0.1:80".
  public let operation: String

  /// The system's error number (`errno`), to be compared with `ECONNREFUSED` and the like.
  public let code: Int32

  /// - Parameters:
  ///   - operation: What was tried, on what.
  ///   - code: The system's error number.
  public init(operation: String, code: Int32) {
    self.operation = operation
    self.code = code
  }
}

extension IOFailure: CustomStringConvertible {
  /// What failed, and why, in the system's words with the name of the number.
  public var description: String {
    let reason = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
      unsafe ob_spi_errno_text(code, buffer.baseAddress, buffer.count)
      return unsafe String(cString: buffer.baseAddress!)
    }
    return "\(operation): \(reason)"
  }
}

extension EngineError {
  /// - Parameters:
  ///   - code: A positive `errno`.
  ///   - operation: What was tried, on what.
  /// - Returns: The error.
  static func io(_ code: Int32, _ operation: @autoclosure () -> String) -> EngineError {
    code == SystemCode.noMemory ? .outOfMemory : .io(IOFailure(operation: operation(), code: code))
  }
}
