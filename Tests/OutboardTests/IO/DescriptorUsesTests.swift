import Glibc
import Testing

@testable import Outboard

@Suite("Who is inside a call with a descriptor", .timeLimit(.minutes(1)))
struct DescriptorUsesTests {
  @Test("Closed by the last who leaves, once, and nobody enters after")
  func once() {
    let uses = DescriptorUses()
    var entered = [uses.enter(), uses.enter()]
    var mustClose = [uses.leave()]
    let first = [uses.beginClosing(), uses.beginClosing()]
    mustClose.append(uses.leave())  // the owner; one is inside
    entered.append(uses.enter())
    mustClose.append(uses.leave())
    entered.append(uses.enter())
    #expect(entered == [true, true, false, false] && first == [true, false])
    #expect(mustClose == [false, false, true])
  }

  @Test("However threads race, it is closed once and nobody is inside then")
  func race() {
    for _ in 0..<200 {
      let uses = Shared()
      let (inside, closed) = (Counter(), Counter())
      HostThread.race(3) { index in
        for _ in 0..<50 {
          if uses.value.enter() {
            inside.add()
            #expect(closed.value == 0)
            inside.add(-1)
            if uses.value.leave() { closed.add() }
          }
          if index == 0, uses.value.beginClosing(), uses.value.leave() { closed.add() }
        }
      }
      #expect(closed.value == 1 && inside.value == 0)
    }
  }

  private final class Shared: Sendable {
    let value = DescriptorUses()
  }

  @Test("A closed stream or file leaves the file alone that has its number now")
  func reused() async throws {
    let engine = try Engine()
    let listener = try engine.listen(on: .loopback(port: 0))
    let stream = try await engine.connect(to: listener.address)
    let file = try await engine.openFile("/proc/self/exe")
    stream.close()
    file.close()
    try await engine.call {}
    let others = (0..<20).map { _ in unsafe open("/dev/null", O_RDONLY | O_CLOEXEC) }
    for _ in 0..<3 {
      #expect(await failure { try await stream.read(upTo: 1) } == "closed")
      #expect(await failure { try await file.read(1, at: 0) } == "closed")
    }
    for other in others {
      #expect(fcntl(other, F_GETFD) >= 0)
      close(other)
    }
  }
}
