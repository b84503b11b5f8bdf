/// A deadline for several operations together: it counts from when this is made.
struct FixedDeadline {
  private let expiry: Expiry?

  init(_ deadline: Deadline) {
    expiry = deadline.remaining == nil ? nil : deadline.expiry
  }

  /// What remains, for the next one.
  var rest: Deadline {
    guard let expiry else { return .never }
    return .after(Duration(nanosecondCount: expiry.remaining))
  }
}
