/// Several engines as one: the same calls, each placed on one of them.
///
/// One loop keeps everything that it runs in order and apart; what needs more than one processor,
/// or must not wait for somebody else's handler, is spread over several. Results, errors and
/// deadlines are those of ``Engine``. Order holds per engine: what belongs together takes the same
/// key.
///
/// A blocking call made on one of the group's own loops stays there, unless it has a key: so it
/// runs inline, as on a single engine.
public final class EngineGroup: Sendable {
  /// The engines, in the order of their names.
  public let engines: [Engine]
  /// How calls without a key are placed.
  public let placement: Placement

  let members: [Member]
  private let turn = Turn()

  /// Starts the engines, one after the other.
  ///
  /// Blocks the calling thread while their threads start, some 50 microseconds each.
  ///
  /// - Parameters:
  ///   - count: How many; 1 to 256.
  ///   - placement: Where calls without a key go.
  ///   - configuration: The options of each. A number is put behind the name, which is cut to fit.
  /// - Throws: ``EngineError/invalidArgument(_:)`` for a count that is out of range; as for
  ///   ``Engine/init(_:)``, and those that had started are stopped.
  public init(
    count: Int, placement: Placement = .roundRobin,
    _ configuration: Engine.Configuration = Engine.Configuration()
  ) throws(EngineError) {
    guard (1...256).contains(count) else {
      throw .invalidArgument("an engine group of \(count): it has 1 to 256 engines")
    }
    var engines: [Engine] = []
    for number in 0..<count {
      var numbered = configuration
      numbered.name = configuration.name.numbered(number)
      engines.append(try Engine(numbered))
    }
    self.engines = engines
    self.placement = placement
    members = engines.map(Member.init)
  }

  /// The engine of a key: always the same one for equal keys, as long as this group lives.
  ///
  /// - Parameter key: Whose work is to stay together and in order.
  /// - Returns: One of ``engines``.
  public func engine(for key: some Hashable) -> Engine { member(of: key).engine }

  /// Where a call goes. Any thread.
  func place(_ key: (any Hashable & Sendable)?) -> Member {
    if let key { return member(of: key) }
    switch placement {
    case .roundRobin: return members[turn.next(of: members.count)]
    case .leastLoaded: return leastLoaded()
    }
  }

  /// The same for a call that blocks its thread.
  func placeBlocking(_ key: (any Hashable & Sendable)?) -> Member {
    if key == nil, let own = members.first(where: { $0.engine.isOnLoop }) { return own }
    return place(key)
  }

  private func member(of key: some Hashable) -> Member {
    members[Int(UInt(bitPattern: key.hashValue) % UInt(members.count))]
  }

  /// The first of those with the fewest calls under way, counted from a turning start: a row of
  /// calls that end at once is spread, too.
  private func leastLoaded() -> Member {
    let start = turn.next(of: members.count)
    var best = members[start]
    var least = best.load
    for offset in 1..<max(members.count, 1) where least > 0 {
      let member = members[(start + offset) % members.count]
      let load = member.load
      if load < least { (best, least) = (member, load) }
    }
    return best
  }
}

extension String {
  /// The name of one of several threads, cut to what the system takes.
  fileprivate func numbered(_ number: Int) -> String {
    let suffix = "-\(number)"
    var stem = self
    while stem.utf8.count + suffix.utf8.count > 15, !stem.isEmpty { stem.removeLast() }
    return stem + suffix
  }
}
