import Outboard
import Testing

@Suite("Blocking calls", .timeLimit(.minutes(1)))
struct CallAndWaitTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  @Test("A body runs on the loop thread and its result comes back")
  func result() throws {
    let caller = threadID
    var seen: Int64 = 0
    let sum = try engine.callAndWait {
      seen = threadID  // the body does not escape, so it may change what is here
      return 20 + 22
    }
    #expect(sum == 42)
    #expect(seen != caller)
    #expect(try engine.callAndWait { Engine.current === engine })
    #expect(try engine.callAndWait { engine.isOnLoop })
    #expect(!engine.isOnLoop)
    #expect(Engine.current == nil)
  }

  @Test("Results of every size and kind")
  func kinds() throws {
    #expect(try engine.callAndWait {} == ())
    #expect(try engine.callAndWait { "text longer than any small string" }.count == 33)
    #expect(try engine.callAndWait { Array(0..<1_000) }.reduce(0, +) == 499_500)
    #expect(try engine.callAndWait { nil as Int? } == nil)
    #expect(try engine.callAndWait(deadline: .seconds(30)) { [1, 2] } == [1, 2])
    let closure = try engine.callAndWait { { 9 } }
    #expect(closure() == 9)
  }

  /// An answer has room for 32 bytes of what may be copied; the rest goes by the caller's memory.
  @Test("Results around the size of an answer")
  func sizes() throws {
    for number in 0..<100 {
      #expect(try engine.callAndWait { Int8(number) } == Int8(number))
      #expect(try engine.callAndWait { (number, -number) } == (number, -number))
      let three = try engine.callAndWait { (number, UInt8(7), number + 1, UInt8(9)) }
      #expect(three == (number, 7, number + 1, 9))
      let four = try engine.callAndWait { (number, 1, 2, number) }
      #expect(four == (number, 1, 2, number))
      let wide = SIMD4<Float>(repeating: Float(number))
      #expect(try engine.callAndWait { wide } == wide)
      #expect(try engine.callAndWait { Double(number) as Double? } == Double(number))
    }
    // On the loop, where a call runs inline.
    let inline = try engine.callAndWait { try engine.callAndWait { (1, UInt8(2), 3) } }
    #expect(inline == (1, 2, 3))
  }

  private final class Witness: Error {
    let tally: Tally
    init(_ tally: Tally) {
      self.tally = tally
      tally.value += 1
    }
    deinit { tally.value -= 1 }
  }

  private final class Tally: @unchecked Sendable {
    var value = 0
  }

  @Test("An error comes back once, whatever the result would have been")
  func errorsAreHeldOnce() throws {
    let tally = Tally()
    for _ in 0..<100 {
      #expect(throws: EngineError.self) {
        _ = try engine.callAndWait { () throws -> Int in throw Witness(tally) }
      }
      #expect(throws: EngineError.self) {
        _ = try engine.callAndWait { () throws -> String in throw Witness(tally) }
      }
    }
    #expect(tally.value == 0)
  }

  @Test("The body's error is carried", arguments: [false, true])
  func bodyError(deadline: Bool) throws {
    do {
      if deadline {
        try engine.callAndWait(deadline: .seconds(30)) { throw Fault(code: 3) }
      } else {
        try engine.callAndWait { throw Fault(code: 3) }
      }
      Issue.record("returned")
    } catch {
      guard case .body(let cause) = error else { throw error }
      #expect(cause as? Fault == Fault(code: 3))
    }
  }

  @Test("On the loop thread a synchronous body runs inline")
  func nested() throws {
    let value = try engine.callAndWait {
      try engine.callAndWait { try engine.callAndWait(deadline: .seconds(1)) { 1 } + 1 } + 1
    }
    #expect(value == 3)
  }

  @Test("Every step of an asynchronous body runs on the loop thread")
  func asynchronous() throws {
    let steps = Recorder<Int64>()
    let value = try engine.callAndWait {
      steps.add(threadID)
      await Task.yield()
      steps.add(threadID)
      try await Task.sleep(for: .milliseconds(1))
      steps.add(threadID)
      return 5
    }
    let loop = try engine.callAndWait { threadID }
    #expect(value == 5)
    #expect(steps.all == [loop, loop, loop])
  }

  @Test("The error of an asynchronous body is carried")
  func asynchronousError() throws {
    do {
      try engine.callAndWait {
        await Task.yield()
        throw Fault(code: 4)
      }
      Issue.record("returned")
    } catch {
      guard case .body(let cause) = error else { throw error }
      #expect(cause as? Fault == Fault(code: 4))
    }
  }

  @Test("On the loop thread what would wait for itself fails before it runs")
  func deadlock() throws {
    let ran = Counter()
    let kinds = try engine.callAndWait {
      [
        errorKind { () throws(EngineError) in
          try engine.callAndWait { () async in _ = ran.add() }
        },
        errorKind { () throws(EngineError) in
          try engine.callAndWait(deadline: .seconds(1)) { () async in _ = ran.add() }
        },
        errorKind { () throws(EngineError) in try engine.offloadAndWait { ran.add() } },
      ]
    }
    #expect(kinds == ["deadlock", "deadlock", "deadlock"])
    #expect(ran.value == 0)
  }

  @Test("Engines that wait for each other: one of them is told, with the cycle's names")
  func cycle() throws {
    let other = try named("ob-second"), first = try named("ob-first")
    let detail = try first.callAndWait { () -> String in
      try other.callAndWait {
        do {
          try first.callAndWait {}
          return "no error"
        } catch EngineError.deadlock(let detail) {
          return detail
        }
      }
    }
    #expect(detail.contains("ob-first") && detail.contains("ob-second"), "\(detail)")
    #expect(try first.callAndWait { try other.callAndWait { 2 } } == 2)
  }

  private func named(_ name: String) throws -> Engine {
    var configuration = Engine.Configuration()
    configuration.name = name
    return try Engine(configuration)
  }

  @Test("Many threads call at once; nothing is lost", arguments: [1, 2, 4, 16])
  func concurrent(threads: Int) throws {
    let each = 4_000 / threads
    nonisolated(unsafe) var count = 0  // changed on the loop only
    HostThread.race(threads) { index in
      for turn in 0..<each {
        do {
          switch (index + turn) % 4 {
          case 0: try engine.callAndWait(deadline: .seconds(60)) { unsafe count += 1 }
          case 1: try engine.callAndWait { () async in unsafe count += 1 }
          default: try engine.callAndWait { unsafe count += 1 }
          }
        } catch {
          Issue.record(error)
        }
      }
    }
    #expect(try engine.callAndWait { unsafe count } == each * threads)
  }
}
