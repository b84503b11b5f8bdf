/// Reads settings from environment variables that share a prefix, and guesses nothing.
///
/// Ask it for each variable, then ``finish()``: that throws everything that was wrong, and for
/// variables with the prefix that nobody asked for, which are misspelt more often than not. A
/// variable that is not set, or wrong, is nil. Empty is wrong.
public struct EnvironmentReader {
  private let prefix: String
  private let values: [String: String]
  private var known: [String] = []
  private var issues: [EnvironmentIssue] = []

  /// Reads from a dictionary.
  ///
  /// - Parameters:
  ///   - prefix: What the names of all variables begin with; not empty.
  ///   - environment: Names, prefix included, and values.
  public init(prefix: String, environment: [String: String]) {
    self.prefix = prefix
    values = environment.filter { $0.key.hasPrefix(prefix) }
    if prefix.isEmpty { issues.append(.emptyPrefix) }
  }

  init(prefix: String, environment: [String: String], issues: [EnvironmentIssue]) {
    self.init(prefix: prefix, environment: environment)
    self.issues += issues
  }

  // MARK: Values

  /// A text.
  ///
  /// - Parameters:
  ///   - name: The variable's, without the prefix.
  ///   - bytes: How many bytes of UTF-8 it may have.
  /// - Returns: Its value.
  public mutating func text(_ name: String, bytes: ClosedRange<Int> = 1...4_096) -> String? {
    let accepted = "a text of \(bytes.lowerBound) to \(bytes.upperBound) bytes"
    return read(name, accepted) { bytes.contains($0.utf8.count) ? $0 : nil }
  }

  /// `true` or `false`.
  ///
  /// - Parameter name: The variable's, without the prefix.
  /// - Returns: Its value.
  public mutating func boolean(_ name: String) -> Bool? {
    token(name, ["true": true, "false": false])
  }

  /// One of a number of words.
  ///
  /// - Parameters:
  ///   - name: The variable's, without the prefix.
  ///   - tokens: The words, to the letter, and what each stands for.
  /// - Returns: What the variable's word stands for.
  public mutating func token<T>(_ name: String, _ tokens: KeyValuePairs<String, T>) -> T? {
    read(name, "exactly " + tokens.map(\.key).joined(separator: " or ")) { value in
      tokens.first { $0.key == value }?.value
    }
  }

  /// A whole number without a unit.
  ///
  /// - Parameters:
  ///   - name: The variable's, without the prefix.
  ///   - range: What is accepted.
  /// - Returns: Its value.
  public mutating func count(_ name: String, in range: ClosedRange<Int>) -> Int? {
    let accepted = "a whole number from \(range.lowerBound) to \(range.upperBound), decimal digits"
    return read(name, accepted) { value in
      let number = UnitScale.wholeNumber(value[...]).flatMap { Int(exactly: $0) }
      return number.flatMap { range.contains($0) ? $0 : nil }
    }
  }

  /// A duration: a whole number with one of the units ns, us, ms, s, min, h.
  ///
  /// - Parameters:
  ///   - name: The variable's, without the prefix.
  ///   - range: What is accepted, zero or more.
  /// - Returns: Its value.
  public mutating func duration(_ name: String, in range: ClosedRange<Duration>) -> Duration? {
    let nanoseconds =
      range.lowerBound.saturatedNanoseconds...range.upperBound.saturatedNanoseconds
    return amount(name, .durations, "250ms or 2s", nanoseconds)
      .map { Duration(nanosecondCount: $0) }
  }

  /// A size in bytes: a whole number with one of the units B, KiB, MiB, GiB.
  ///
  /// - Parameters:
  ///   - name: The variable's, without the prefix.
  ///   - range: What is accepted, in bytes, zero or more.
  /// - Returns: Its value in bytes.
  public mutating func size(_ name: String, in range: ClosedRange<Int>) -> Int? {
    let bytes = UInt64(max(range.lowerBound, 0))...UInt64(max(range.upperBound, 0))
    return amount(name, .sizes, "64KiB or 1MiB", bytes).flatMap { Int(exactly: $0) }
  }

  private mutating func amount(
    _ name: String, _ scale: UnitScale, _ examples: String, _ range: ClosedRange<UInt64>
  ) -> UInt64? {
    let accepted =
      "a whole number with a unit (\(scale.names)), such as \(examples), "
      + "from \(scale.text(range.lowerBound)) to \(scale.text(range.upperBound))"
    return read(name, accepted) { value in
      scale.parse(value).flatMap { range.contains($0) ? $0 : nil }
    }
  }

  func isSet(_ name: String) -> Bool { values[prefix + name] != nil }

  private mutating func read<T>(
    _ name: String, _ accepted: String, _ parse: (String) -> T?
  ) -> T? {
    known.append(prefix + name)
    guard let value = values[prefix + name] else { return nil }
    if let parsed = parse(value) { return parsed }
    refuse(name, accepted)
    return nil
  }

  // MARK: The end

  /// Notes that the value of a variable does not go with something else.
  ///
  /// - Parameters:
  ///   - name: The variable's, without the prefix.
  ///   - accepted: What would.
  public mutating func refuse(_ name: String, _ accepted: String) {
    let value = values[prefix + name] ?? ""
    issues.append(.invalid(variable: prefix + name, value: value, accepted: accepted))
  }

  /// Ends the reading.
  ///
  /// - Throws: Everything that was wrong.
  public func finish() throws(EnvironmentError) {
    var found = issues
    if !prefix.isEmpty {
      for (variable, value) in values.sorted(by: { $0.key < $1.key })
      where !known.contains(variable) {
        found.append(.unknown(variable: variable, value: value, known: known))
      }
    }
    if !found.isEmpty { throw EnvironmentError(issues: found) }
  }
}
