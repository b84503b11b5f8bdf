/// Why a call failed, in the words its caller reads.
enum PluginFault: Error, Equatable, Sendable {
  /// The arguments or the configuration are not what they should be.
  case invalid(String)
  case unknownTool(String)
  case notFound(Int64)
  /// The deadline passed; the limit that was set.
  case timedOut(Duration)
  /// Nobody wants the answer any more.
  case cancelled
  /// More calls are waiting than the plugin holds.
  case busy
  /// SQLite, or the file under it, failed.
  case database(String)
  /// `init` has not succeeded yet, or the engine is gone.
  case notReady(String)
}

extension PluginFault: CustomStringConvertible {
  var description: String {
    switch self {
    case .invalid(let text): text
    case .unknownTool(let name): "Unknown tool: \(name)"
    case .notFound(let id): "Product \(id) not found"
    case .timedOut(let limit): "Timed out after \(limit.secondsText) s"
    case .cancelled: "Cancelled"
    case .busy: "Too many calls are waiting; try again later"
    case .database(let text): "Database error: \(text)"
    case .notReady(let text): text
    }
  }
}

extension Duration {
  /// Seconds with up to three decimals and no trailing zeros: "30", "0.25".
  var secondsText: String {
    let parts = components
    let milliseconds = parts.attoseconds / 1_000_000_000_000_000
    if milliseconds == 0 { return "\(parts.seconds)" }
    var digits = String(milliseconds + 1000).dropFirst()
    while digits.hasSuffix("0") { digits = digits.dropLast() }
    return "\(parts.seconds).\(digits)"
  }
}
