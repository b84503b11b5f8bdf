import Testing

@testable import Outboard

/// Drives a ``MemoState`` at random and checks what must always hold.
struct MemoModel {
  private var generator: SeededGenerator
  private var state = MemoState<Int>(keeping: .for(.nanoseconds(20)), keepingFailures: .none)
  private var now: UInt64 = 0
  private var nextWaiter: UInt64 = 0
  private var waiting: Set<UInt64> = []
  private var told: Set<UInt64> = []
  /// Flights that the pool was asked for and has not closed.
  private var pooled: [UInt64] = []
  /// Flights whose probe runs.
  private var running: [UInt64] = []

  init(_ seed: UInt64) { generator = SeededGenerator(seed, for: "memo") }

  mutating func run() {
    for _ in 0..<300 {
      now += UInt64.random(in: 0...3, using: &generator)
      step(Int.random(in: 0..<7, using: &generator))
      #expect(running.count <= 1, "two probes at once")
    }
    while let flight = running.first { end(flight, .success(0)) }
    for flight in pooled { notify(state.close(flight, .cancelled)) }
    // Those told to join again have gone; nobody waits for nothing.
    #expect(waiting.isEmpty)
  }

  private mutating func step(_ what: Int) {
    switch what {
    case 0, 1: join(blocking: what == 1)
    case 2: leave()
    case 3:
      guard let flight = pooled.randomElement(using: &generator), state.begin(flight) else {
        return
      }
      running.append(flight)
    case 4:
      guard let flight = running.first else { return }
      end(flight, Bool.random(using: &generator) ? .success(1) : .failure(Fault()))
    case 5:
      guard let flight = pooled.randomElement(using: &generator) else { return }
      pooled.removeAll { $0 == flight }
      notify(state.close(flight, .cancelled))
    default:
      if Int.random(in: 0..<20, using: &generator) == 0 { state.forget() }
    }
  }

  private mutating func join(blocking: Bool) {
    nextWaiter += 1
    switch blocking ? state.joinBlocking(nextWaiter, now: now) : state.join(nextWaiter, now: now) {
    case .ready: return
    case .launch(let flight): pooled.append(flight)
    case .run(let flight):
      running.append(flight)
      return
    case .wait: break
    }
    waiting.insert(nextWaiter)
  }

  private mutating func leave() {
    guard let waiter = waiting.sorted().randomElement(using: &generator) else { return }
    #expect(state.leave(waiter).waited)
    #expect(!state.leave(waiter).waited, "only once")
    waiting.remove(waiter)
  }

  private mutating func end(_ flight: UInt64, _ answer: Result<Int, any Error>) {
    running.removeAll { $0 == flight }
    notify(state.end(flight, answer, now: now))
  }

  private mutating func notify(_ notices: [(UInt64, MemoState<Int>.Notice)]) {
    for (waiter, _) in notices {
      #expect(waiting.remove(waiter) != nil, "told although it does not wait")
      #expect(told.insert(waiter).inserted, "told twice")
    }
  }
}
