import Testing

@testable import Outboard

/// Drives a ``LaneState`` at random, beside one queue per key, and checks that they agree.
struct LaneModel {
  private var generator: SeededGenerator
  private var state = LaneState<Int>(waiterLimit: 12)
  private var nextWaiter: UInt64 = 0
  /// By key: who waits, in the order of arrival.
  private var waiting: [Int: [UInt64]] = [:]
  /// By key: the turn that is taken.
  private var turns: [Int: UInt64] = [:]

  init(_ seed: UInt64) { generator = SeededGenerator(seed, for: "lane") }

  mutating func run() {
    for _ in 0..<400 {
      switch Int.random(in: 0..<5, using: &generator) {
      case 0, 1: enter(Int.random(in: 0..<4, using: &generator))
      case 2: leave()
      default: end()
      }
      #expect(state.keyCount == turns.count, "an idle key is kept, or a busy one is not")
      #expect(state.waiterCount == waiting.values.map(\.count).reduce(0, +))
    }
    while !turns.isEmpty { end() }
    #expect(state.keyCount == 0 && state.waiterCount == 0)
  }

  private mutating func enter(_ key: Int) {
    nextWaiter += 1
    let full = state.waiterCount == 12
    switch state.enter(nextWaiter, key, holding: []) {
    case .turn(let turn)?:
      #expect(turns.updateValue(turn, forKey: key) == nil, "two turns under one key")
    case .refused?: #expect(full && turns[key] != nil)
    case nil:
      #expect(turns[key] != nil, "waits for nobody")
      waiting[key, default: []].append(nextWaiter)
    }
  }

  private mutating func leave() {
    guard let key = waiting.keys.sorted().randomElement(using: &generator),
      let waiter = waiting[key]?.randomElement(using: &generator)
    else { return }
    let left = [state.leave(waiter), state.leave(waiter)]
    #expect(left == [true, false], "only once")
    waiting[key]?.removeAll { $0 == waiter }
  }

  private mutating func end() {
    guard let (key, turn) = turns.sorted(by: { $0.key < $1.key }).randomElement(using: &generator)
    else { return }
    turns[key] = nil
    let next = state.end(turn)
    #expect(next?.waiter == waiting[key]?.first, "not in the order of arrival")
    guard let next else { return }
    waiting[key]?.removeFirst()
    turns[key] = next.turn
  }
}
