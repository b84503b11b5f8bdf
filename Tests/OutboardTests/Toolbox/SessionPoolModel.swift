import Testing

@testable import Outboard

/// Drives a ``SessionPoolState`` at random and checks what must always hold. Sessions are numbers.
struct SessionPoolModel {
  private static let waiterLimit = 5
  private static let idleTimeout: UInt64 = 40

  private var generator: SeededGenerator
  private var state: SessionPoolState<Int>
  private let limit: Int
  private var now: UInt64 = 0
  private var nextWaiter: UInt64 = 0
  private var nextSession = 0
  /// In the order of arrival.
  private var waiting: [UInt64] = []
  private var told: Set<UInt64> = []
  /// Leases, with the session that each has, if it is connected.
  private var leases: [UInt64: Int?] = [:]
  private var disconnecting: Set<UInt64> = []
  /// Idle sessions, and since when.
  private var idle: [Int: UInt64] = [:]
  private var ended = 0

  init(_ seed: UInt64) {
    generator = SeededGenerator(seed, for: "session pool")
    limit = Int.random(in: 1...4, using: &generator)
    var options = SessionPoolOptions(limit: limit)
    options.waiterLimit = Self.waiterLimit
    options.idleTimeout = .nanoseconds(Self.idleTimeout)
    state = SessionPoolState(options)
  }

  mutating func run() {
    for _ in 0..<400 {
      now += UInt64.random(in: 0...5, using: &generator)
      step(Int.random(in: 0..<8, using: &generator))
      check()
    }
    finish()
  }

  private mutating func step(_ what: Int) {
    switch what {
    case 0, 1, 2: enter()
    case 3:
      guard let waiter = waiting.randomElement(using: &generator) else { return }
      let left = [state.leave(waiter), state.leave(waiter)]
      #expect(left == [true, false], "only once")
      waiting.removeAll { $0 == waiter }
    case 4, 5: giveBack()
    case 6:
      guard
        let lease = (Array(leases.keys) + disconnecting).sorted().randomElement(using: &generator)
      else { return }
      end(lease)
    default: expire()
    }
  }

  private mutating func enter() {
    nextWaiter += 1
    let full = waiting.count == Self.waiterLimit
    switch state.enter(nextWaiter, holding: []) {
    case .granted(let grant)?:
      #expect(waiting.isEmpty, "overtook those who wait")
      take(grant)
    case .refused?: #expect(full)
    case .closed?: Issue.record("closed")
    case nil:
      #expect(!full)
      waiting.append(nextWaiter)
    }
  }

  private mutating func take(_ grant: SessionPoolState<Int>.Grant) {
    #expect(leases[grant.lease] == nil && !disconnecting.contains(grant.lease), "leased twice")
    if let session = grant.idle?.session {
      #expect(idle.removeValue(forKey: session) == grant.idle?.since, "not idle")
      leases.updateValue(session, forKey: grant.lease)
    } else {
      #expect(idle.isEmpty, "connects although one is idle")
      nextSession += 1
      leases.updateValue(nextSession, forKey: grant.lease)
    }
  }

  private mutating func giveBack() {
    guard
      let (lease, session) = leases.sorted(by: { $0.key < $1.key }).randomElement(
        using: &generator),
      let session
    else { return }
    leases[lease] = nil
    idle[session] = now
    apply(state.giveBack(lease, session, suspect: false, now: now))
  }

  private mutating func end(_ lease: UInt64) {
    leases.removeValue(forKey: lease)
    disconnecting.remove(lease)
    apply(state.release(lease))
  }

  private mutating func expire() {
    let due = idle.filter { $0.value + Self.idleTimeout <= now }.map(\.key)
    let (effects, after) = state.expire(now: now)
    #expect(Set(effects.disconnect.map(\.session)) == Set(due))
    apply(effects)
    let next = idle.values.min().map { $0 + Self.idleTimeout - now }
    #expect(after == next)
  }

  private mutating func apply(_ effects: SessionPoolState<Int>.Effects) {
    for (lease, session) in effects.disconnect {
      #expect(idle.removeValue(forKey: session) != nil)
      disconnecting.insert(lease)
    }
    for (waiter, notice) in effects.notices {
      #expect(told.insert(waiter).inserted, "told twice")
      switch notice {
      case .granted(let grant):
        #expect(waiter == waiting.first, "not in the order of arrival")
        waiting.removeFirst()
        take(grant)
      case .refused: waiting.removeAll { $0 == waiter }
      case .closed: ended += 1
      }
    }
  }

  private func check() {
    #expect(state.idle.count == idle.count)
    #expect(state.leases == Set(leases.keys).union(disconnecting))
    #expect(Array(state.waiters.all) == waiting)
    #expect(idle.count + state.leases.count <= limit, "more sessions than places")
    #expect(waiting.isEmpty || state.leases.count == limit, "waits although there is room")
  }

  /// Closes with leases out, and sees it through.
  private mutating func finish() {
    apply(state.close())
    #expect(waiting.isEmpty && idle.isEmpty)
    if case .refused(.shutdown)? = state.enter(.max, holding: []) {} else { Issue.record("open") }
    let over = state.awaitEnd(.max - 1) != nil
    #expect(over == state.leases.isEmpty)
    for lease in leases.keys.sorted() {
      let effects = state.giveBack(lease, 0, suspect: true, now: now)
      #expect(effects.disconnect.map(\.lease) == [lease])
    }
    for lease in state.leases.sorted() { apply(state.release(lease)) }
    #expect(over || ended == 1)
  }
}
