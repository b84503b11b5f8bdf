/// Whole numbers with units, as they are written in variables.
struct UnitScale {
  /// The units, smallest first, and how many of the smallest each is.
  let units: KeyValuePairs<String, UInt64>

  static let durations = UnitScale(units: [
    "ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000,
    "h": 3_600_000_000_000,
  ])

  static let sizes = UnitScale(units: [
    "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
  ])

  /// Decimal digits only: no sign, no separators, no leading zero, which elsewhere says 'octal'.
  static func wholeNumber(_ text: Substring) -> UInt64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    if text.utf8.count > 1, text.utf8.first == 0x30 { return nil }
    return UInt64(text)
  }

  /// A number of the smallest unit.
  ///
  /// - Parameter text: Digits and a unit, with nothing before, between, or after.
  /// - Returns: Nil for anything else, and for what does not fit.
  func parse(_ text: String) -> UInt64? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let number = Self.wholeNumber(digits),
      let factor = units.first(where: { $0.key == text[digits.endIndex...] })?.value
    else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow ? nil : product
  }

  /// In the largest unit that divides it.
  func text(_ amount: UInt64) -> String {
    let unit = units.last { amount % $0.value == 0 && amount >= $0.value } ?? units[0]
    return "\(amount / unit.value)\(unit.key)"
  }

  var names: String { units.map(\.key).joined(separator: ", ") }
}
