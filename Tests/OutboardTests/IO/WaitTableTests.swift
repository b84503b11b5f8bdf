import Testing

@testable import Outboard

@Suite("The table of waits for descriptors")
struct WaitTableTests {
  typealias Table = WaitTable<Int>

  private func change(_ admission: Table.Admission) -> Table.Change? {
    if case .waits(let change) = admission { change } else { nil }
  }

  @Test("One waiter per direction; the second is told apart from a stale one by a check")
  func directions() {
    var table = Table()
    #expect(
      change(table.admit(1, fd: 7, direction: .read, stays: false))
        == .add(fd: 7, tag: 1, interest: 1))
    #expect(
      change(table.admit(2, fd: 7, direction: .write, stays: false))
        == .arm(fd: 7, tag: 1, interest: 3))
    guard case .occupied(let check) = table.admit(3, fd: 7, direction: .read, stays: false) else {
      Issue.record("admitted")
      return
    }
    #expect(check == .arm(fd: 7, tag: 1, interest: 3))
    let (first, again) = table.ready(fd: 7, tag: 1, events: 1)
    #expect(first == [1] && again == .arm(fd: 7, tag: 1, interest: 2))
    let (second, last) = table.ready(fd: 7, tag: 1, events: 3)
    #expect(second == [2] && last == .remove(fd: 7))
    #expect(table.count == 0)
  }

  @Test("An event of an entry that has gone finds nobody")
  func staleEvent() {
    var table = Table()
    _ = table.admit(1, fd: 7, direction: .read, stays: false)
    #expect(table.withdraw(fd: 7, direction: .read) == .remove(fd: 7))
    _ = table.admit(2, fd: 7, direction: .read, stays: false)
    #expect(table.ready(fd: 7, tag: 1, events: 3).0 == [])
    #expect(table.ready(fd: 7, tag: 2, events: 3).0 == [2])
  }

  @Test("A registration that stays is taken out by forget only")
  func stays() {
    var table = Table()
    _ = table.admit(1, fd: 7, direction: .read, stays: true)
    #expect(table.ready(fd: 7, tag: 1, events: 1) == ([1], nil))
    #expect(
      change(table.admit(2, fd: 7, direction: .write, stays: true))
        == .arm(fd: 7, tag: 1, interest: 2))
    #expect(table.withdraw(fd: 7, direction: .write) == nil)
    #expect(table.forget(fd: 7) == ([], .remove(fd: 7)))
    #expect(table.forget(fd: 7) == ([], nil))
  }

  @Test("Any history: each waiter ends once, and the system knows of each that waits")
  func histories() {
    for seed in UInt64(1)...200 {
      var random = SeededGenerator(seed)
      var table = Table()
      var system: [Int32: (tag: UInt32, interest: UInt32)] = [:]
      var waiting: [Int: (fd: Int32, direction: IODirection)] = [:]
      func apply(_ change: Table.Change?) {
        switch change {
        case .add(let fd, let tag, let interest):
          #expect(system[fd] == nil, "seed \(seed)")
          system[fd] = (tag, interest)
        case .arm(let fd, let tag, let interest):
          #expect(system[fd]?.tag == tag, "seed \(seed)")
          system[fd] = (tag, interest)
        case .remove(let fd):
          #expect(system.removeValue(forKey: fd) != nil, "seed \(seed)")
        case nil: break
        }
      }
      func end(_ waiters: [Int]) {
        for waiter in waiters {
          #expect(waiting.removeValue(forKey: waiter) != nil, "seed \(seed)")
        }
      }
      for step in 0..<400 {
        let fd = Int32(random.next() % 4)
        let direction: IODirection = random.next() % 2 == 0 ? .read : .write
        switch random.next() % 8 {
        case 0...3:
          let taken = waiting.values.contains { $0.fd == fd && $0.direction == direction }
          switch table.admit(step, fd: fd, direction: direction, stays: fd < 2) {
          case .waits(let change):
            #expect(!taken, "seed \(seed)")
            waiting[step] = (fd, direction)
            apply(change)
          case .occupied(let check):
            #expect(taken, "seed \(seed)")
            apply(check)
          }
        case 4...5:
          guard let (tag, interest) = system[fd], interest != 0 else { continue }
          let events = UInt32(random.next() % 3 + 1)
          guard events & interest != 0 else { continue }
          system[fd] = (tag, 0)
          let (done, change) = table.ready(fd: fd, tag: tag, events: events)
          end(done)
          apply(change)
        case 6:
          let who = waiting.first { $0.value.fd == fd && $0.value.direction == direction }
          apply(table.withdraw(fd: fd, direction: direction))
          if let who { waiting[who.key] = nil }
        default:
          let (done, change) = table.forget(fd: fd)
          end(done)
          apply(change)
        }
        for (fd, direction) in waiting.values {
          let interest = system[fd]?.interest ?? 0
          #expect(interest & direction.rawValue != 0, "seed \(seed), step \(step)")
        }
        for fd in system.keys where fd >= 2 {
          #expect(waiting.values.contains { $0.fd == fd }, "seed \(seed), step \(step)")
        }
      }
      #expect(table.drain().sorted() == waiting.keys.sorted(), "seed \(seed)")
    }
  }
}
