/// Who wins a race.
public enum RaceRule: Sendable, Hashable {
  /// Who ends first, be it with an error.
  case firstToEnd
  /// Who first succeeds; when all fail, the first failure.
  case firstToSucceed
}
