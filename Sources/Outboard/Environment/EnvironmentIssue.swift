/// What is wrong with a variable.
public enum EnvironmentIssue: Sendable, Hashable, CustomStringConvertible {
  /// Its value is none of those accepted.
  case invalid(variable: String, value: String, accepted: String)
  /// It has the prefix, and nobody knows it.
  case unknown(variable: String, value: String, known: [String])
  /// It is in the environment more than once.
  case repeated(variable: String)
  /// Its name or value is not UTF-8; what cannot be read is shown as U+FFFD.
  case notText(variable: String)
  /// Every variable would have to be known.
  case emptyPrefix

  /// Cause and cure.
  public var description: String {
    switch self {
    case .invalid(let variable, let value, let accepted):
      "\(variable) is \"\(value)\"; accepted: \(accepted)"
    case .unknown(let variable, let value, let known):
      "\(variable) (\"\(value)\") is not known; known: \(known.joined(separator: ", "))"
    case .repeated(let variable):
      "\(variable) is there more than once; set it once"
    case .notText(let variable):
      "\(variable) is not UTF-8"
    case .emptyPrefix:
      "the prefix is empty; pass one that is yours alone, such as MYPLUGIN_"
    }
  }
}
