internal import FoundationEssentials

/// Decimal numbers as text, without a binary fraction on the way.
enum ExactDecimal {
  /// Digits that `Decimal` holds whatever they are.
  static let maxDigits = 38

  /// Reads digits with an optional sign and point, as in `-12.50`.
  ///
  /// - Returns: The number that the text says, or nil when it is none or has
  ///   more digits than are kept exactly.
  static func parse(_ text: some StringProtocol) -> Decimal? {
    var rest = Substring(text)
    if rest.hasPrefix("-") { rest = rest.dropFirst() }
    let parts = rest.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, parts.allSatisfy(isDigits) else { return nil }
    let fraction = parts.count == 2 ? parts[1].count : 0
    let significant = parts.joined().drop { $0 == "0" }
    guard significant.count <= maxDigits, fraction <= maxDigits else { return nil }
    return Decimal(string: String(text))
  }

  private static func isDigits(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
  }
}
