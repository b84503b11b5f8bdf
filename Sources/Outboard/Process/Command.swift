/// A program to run, and how.
public struct Command: Sendable, Hashable {
  /// The program: a path, or, without a slash, a name that is searched for in `PATH`.
  public var executable: String
  /// What it is given after its own name.
  public var arguments: [String]
  /// Its whole environment; nil for a copy of the host's.
  public var environment: [String: String]?
  /// Its working directory; nil for the host's.
  public var directory: String?
  /// Whether it leads a process group of its own: signals then reach its descendants too, and a
  /// terminal's do not reach it.
  public var ownProcessGroup = false
  /// Between TERM and KILL, when it has to end.
  public var grace = Duration.seconds(2)

  /// - Parameters:
  ///   - executable: A path, or a name without a slash that is searched for in `PATH`.
  ///   - arguments: What it is given after its own name.
  ///   - environment: Its whole environment; nil for a copy of the host's.
  ///   - directory: Its working directory; nil for the host's.
  public init(
    _ executable: String, _ arguments: [String] = [], environment: [String: String]? = nil,
    directory: String? = nil
  ) {
    self.executable = executable
    self.arguments = arguments
    self.environment = environment
    self.directory = directory
  }

  /// What the system would cut short or take for something else.
  func check() throws(EngineError) {
    guard !executable.isEmpty else { throw .invalidArgument("a command without a program") }
    let texts = [executable, directory ?? ""] + arguments
    for text in texts where text.utf8.contains(0) {
      throw .invalidArgument("\"\(text)\" contains a NUL byte, at which the system would end it")
    }
    for (name, value) in environment ?? [:] {
      guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "=")), !name.utf8.contains(0),
        !value.utf8.contains(0)
      else {
        throw .invalidArgument(
          "\"\(name)\" in the environment: a name has no '=' and is not empty, and neither name "
            + "nor value has a NUL byte")
      }
    }
  }
}

extension Command: CustomStringConvertible {
  /// The program and its arguments.
  public var description: String { ([executable] + arguments).joined(separator: " ") }
}
