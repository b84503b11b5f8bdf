import Testing

@testable import Outboard

@Suite("The life of a child process")
struct ChildStateTests {
  @Test("It ends by itself: reaped, and those that wait are told")
  func byItself() {
    var state = ChildState(leadsGroup: true)
    #expect(state.ready() == [.reap])
    #expect(state.reaped(.success(.exited(3))) == [.tell])
    #expect(try! state.end?.get() == .exited(3))
    #expect(!state.isAlive)
    #expect(state.terminate() == [] && state.graceIsOver() == [] && state.ready() == [])
    #expect(state.unwatched(.shutdown) == [])
    #expect(state.reaped(.success(.exited(4))) == [])
  }

  @Test("It hears TERM: no KILL, but for what is left of its group")
  func hears() {
    var state = ChildState(leadsGroup: true)
    #expect(state.terminate() == [.sendTerm, .startGrace])
    #expect(state.terminate() == [])
    #expect(state.ready() == [.killGroup, .reap])
    #expect(state.reaped(.success(.signalled(15))) == [.stopGrace, .tell])
    #expect(state.graceIsOver() == [])
  }

  @Test("It is deaf to TERM: KILL after the grace, once")
  func deaf() {
    var state = ChildState(leadsGroup: false)
    _ = state.terminate()
    #expect(state.graceIsOver() == [.sendKill])
    #expect(state.graceIsOver() == [] && state.terminate() == [])
    #expect(state.ready() == [.reap])
    #expect(state.reaped(.success(.signalled(9))) == [.tell])
  }

  @Test("The loop closes: somebody else sees to its end, at any stage", arguments: 0...2)
  func closes(stage: Int) {
    var state = ChildState(leadsGroup: false)
    if stage > 0 { _ = state.terminate() }
    if stage > 1 { _ = state.graceIsOver() }
    let actions = state.unwatched(.shutdown)
    #expect(actions == (stage == 0 ? [.sendTerm, .handOver, .tell] : [.handOver, .tell]))
    #expect(!state.isAlive)
  }

  @Test("Any history: reaped or handed over exactly once, never signalled after")
  func histories() {
    for seed in UInt64(1)...300 {
      var random = SeededGenerator(seed)
      var state = ChildState(leadsGroup: random.next() % 2 == 0)
      var (gone, graces) = (0, 0)
      for _ in 0..<20 {
        let actions =
          switch random.next() % 5 {
          case 0: state.terminate()
          case 1: graces > 0 ? state.graceIsOver() : []
          case 2: state.ready()
          case 3: gone == 0 ? state.reaped(.success(.exited(0))) : []
          default: random.next() % 8 == 0 ? state.unwatched(.shutdown) : []
          }
        for action in actions {
          switch action {
          case .sendTerm, .sendKill, .killGroup: #expect(gone == 0, "seed \(seed)")
          case .startGrace: graces += 1
          case .stopGrace: graces -= 1
          case .tell: gone += 1
          case .reap: #expect(gone == 0, "seed \(seed)")
          case .handOver: #expect(gone == 0, "seed \(seed)")
          }
        }
        #expect(gone <= 1 && (0...1).contains(graces), "seed \(seed)")
        #expect(state.isAlive == (gone == 0), "seed \(seed)")
      }
    }
  }
}
