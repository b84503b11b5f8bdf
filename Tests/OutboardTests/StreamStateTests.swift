import Testing

@testable import Outboard

/// The state machines below the Swift streams, without threads.
@Suite("Stream states", .timeLimit(.minutes(1)))
struct StreamStateTests {
  @Test("A signal given between the look and the wait is not lost")
  func early() {
    var state = SignalState<String>()
    let seen = state.generation
    #expect(state.give() == [])
    #expect(state.add("late", id: state.makeID(), since: seen) == false)
    #expect(state.add("next", id: state.makeID(), since: state.generation) == true)
    #expect(state.give() == ["next"])
    #expect(state.give() == [])
  }

  @Test("A task that was cancelled before does not wait")
  func cancelledBefore() async {
    let signal = Signal()
    await Task {
      unsafe withUnsafeCurrentTask { unsafe $0?.cancel() }
      await signal.wait(since: signal.generation)
    }.value
  }

  @Test("A waiter that leaves is given back once")
  func leaving() {
    var state = SignalState<String>()
    let ids = (0..<3).map { _ in state.makeID() }
    for id in ids { #expect(state.add("\(id)", id: id, since: 0) == true) }
    #expect(state.remove(id: ids[1]) == "\(ids[1])")
    #expect(state.remove(id: ids[1]) == nil)
    #expect(state.give() == ["\(ids[0])", "\(ids[2])"])
    #expect(state.remove(id: ids[0]) == nil)
  }

  @Test("The end waits for the sends that began before it, and the first end counts")
  func end() {
    var state = SendingState()
    #expect(state.enter() == true)
    #expect(state.enter() == true)
    #expect(state.leave() == .nothing)
    #expect(state.finish(7) == .nothing)
    #expect(state.enter() == false)
    #expect(state.finish(8) == nil)
    #expect(state.leave() == .end(7))
    #expect(state.finish(9) == nil)
    #expect(state.enter() == false)
  }

  @Test("An idle stream ends at once")
  func idle() {
    var state = SendingState()
    #expect(state.finish(0) == .end(0))
  }

  /// Every waiter comes back exactly once: refused, resumed, or taken out.
  @Test("Random steps", arguments: [1, 2, 3] as [UInt64])
  func random(seed: UInt64) {
    var generator = SeededGenerator(seed, for: "stream states")
    var state = SignalState<UInt64>()
    var waiting: Set<UInt64> = []
    var seen: UInt64 = 0
    for _ in 0..<20_000 {
      switch generator.next() % 4 {
      case 0:
        let given = state.give()
        #expect(Set(given) == waiting && given == given.sorted())
        waiting = []
      case 1:
        let id = state.makeID()
        let added = state.add(id, id: id, since: seen)
        #expect(added == (seen == state.generation))
        if added { waiting.insert(id) }
      case 2:
        let id = waiting.randomElement(using: &generator) ?? 0
        #expect(state.remove(id: id) == waiting.remove(id))
      default:
        seen = state.generation
      }
    }
  }
}
