/// How long a ``Memo`` keeps an answer.
public enum MemoRetention: Sendable, Hashable {
  /// Not at all: it is shared by those who wait for it, and forgotten.
  case none
  /// As long as the memo lives.
  case forever
  /// For a time after it came; zero or less is ``none``.
  case `for`(Duration)

  /// When an answer that comes now expires.
  func expiry(now: UInt64) -> Expiry {
    switch self {
    case .none: Expiry(after: 0, now: now)
    case .forever: .never
    case .for(let duration): Expiry(after: duration.saturatedNanoseconds, now: now)
    }
  }
}
