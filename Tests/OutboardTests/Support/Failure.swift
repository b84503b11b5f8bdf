import Outboard

/// The kind of `EngineError` that a body throws; "none" when it returns.
func failure<R>(_ body: () async throws -> R) async -> String {
  do {
    _ = try await body()
    return "none"
  } catch {
    return (error as? EngineError)?.kind ?? "\(error)"
  }
}
