/// What a command has left. See ``Engine/run(_:input:outputLimit:deadline:)``.
public struct CommandOutput: Sendable, Hashable {
  /// How it ended.
  public let end: ChildEnd
  /// Its standard output, up to the limit.
  public let output: [UInt8]
  /// Its standard error, up to the limit.
  public let errors: [UInt8]
  /// How many bytes of both came beyond the limit, and were thrown away.
  public let lostBytes: Int
  /// False when a descendant still held the pipes open after the grace, and may have written more.
  public let isComplete: Bool

  /// Its standard output as text; what is not UTF-8 is replaced.
  public var text: String { String(decoding: output, as: UTF8.self) }

  /// Its standard error as text; what is not UTF-8 is replaced.
  public var errorText: String { String(decoding: errors, as: UTF8.self) }
}
