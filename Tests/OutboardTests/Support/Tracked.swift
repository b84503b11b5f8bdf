/// Counts how many of it are alive.
final class Tracked: Sendable {
  private let alive: Counter

  init(_ alive: Counter) {
    self.alive = alive
    alive.add()
  }

  deinit { alive.add(-1) }
}
