/// Who has won.
struct RaceState {
  private let rule: RaceRule
  private(set) var winner: Int?
  private var firstFailure: Int?

  init(_ rule: RaceRule) { self.rule = rule }

  /// One has ended.
  ///
  /// - Returns: Whether that decides the race: the others are to be cancelled.
  mutating func ended(_ index: Int, succeeded: Bool) -> Bool {
    guard winner == nil else { return false }
    if !succeeded, rule == .firstToSucceed {
      firstFailure = firstFailure ?? index
      return false
    }
    winner = index
    return true
  }

  /// Who has won, when all have ended.
  var result: Int {
    guard let number = winner ?? firstFailure else {
      preconditionFailure("Outboard: a race in which nobody has run")
    }
    return number
  }
}
