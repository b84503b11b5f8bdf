// `environ` is a variable of C, which Swift takes for a race wherever it is used.
#if canImport(Glibc)
  @unsafe @preconcurrency internal import Glibc
#elseif canImport(Musl)
  @unsafe @preconcurrency internal import Musl
#else
  @unsafe @preconcurrency internal import Darwin
#endif

extension EnvironmentReader {
  /// Reads from the environment of the process, once, now.
  ///
  /// Like `getenv`, not while another thread changes the environment: early in the plugin's life.
  ///
  /// - Parameter prefix: What the names of all variables begin with; not empty.
  public init(prefix: String) {
    var entries: [[UInt8]] = []
    var next: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = unsafe environ
    while let entry = unsafe next, let text = unsafe entry.pointee {
      let bytes = unsafe UnsafeBufferPointer(start: text, count: strlen(text))
      entries.append(unsafe bytes.map { UInt8(bitPattern: $0) })
      unsafe next = entry + 1
    }
    self.init(prefix: prefix, entries: entries)
  }

  /// Reads from `NAME=value` entries, of which those with the prefix must be unique and UTF-8.
  init(prefix: String, entries: [[UInt8]]) {
    var values: [String: String] = [:]
    var issues: [EnvironmentIssue] = []
    for entry in entries where entry.starts(with: prefix.utf8) {
      let parts = entry.split(
        separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(decoding: parts[0], as: UTF8.self)
      guard parts.count == 2, let text = String(validating: parts[1], as: UTF8.self),
        String(validating: parts[0], as: UTF8.self) != nil
      else {
        issues.append(.notText(variable: name))
        continue
      }
      if values.updateValue(text, forKey: name) != nil { issues.append(.repeated(variable: name)) }
    }
    self.init(prefix: prefix, environment: values, issues: issues)
  }
}
