extension Duration {
  /// Whole nanoseconds, rounded up; 0 for a negative duration. What does not fit is `UInt64.max`,
  /// which the core takes for 'for ever'.
  var saturatedNanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let (product, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let rest = (UInt64(attoseconds) + 999_999_999) / 1_000_000_000
    let (sum, carry) = product.addingReportingOverflow(rest)
    return overflow || carry ? .max : sum
  }

  /// A duration of so many nanoseconds.
  init(nanosecondCount count: UInt64) {
    self = .seconds(Int64(count / 1_000_000_000)) + .nanoseconds(Int64(count % 1_000_000_000))
  }
}
