import Outboard
import Testing

@Suite("Errors", .timeLimit(.minutes(1)))
struct ErrorTests {
  @Test("Each says what happened, in one line")
  func descriptions() {
    let errors: [EngineError] = [
      .invalidArgument("opts.name is too long"), .outOfMemory, .queueFull, .timedOut(nil),
      .timedOut("still running: \"x\""), .cancelled, .shutdown, .deadlock("a -> b -> a"),
      .busy("calls"), .stopInProgress, .forked, .broken("closed"), .system("no thread"),
      .startFailed(Fault(code: 1)), .body(Fault(code: 2)), .unknown(status: -1, detail: "?"),
    ]
    let texts = errors.map(\.description)
    #expect(Set(texts).count == texts.count)
    #expect(texts.allSatisfy { !$0.isEmpty && !$0.contains("\n") })
    #expect(texts[4].contains("\"x\""))
    #expect(texts[7].contains("a -> b -> a"))
    #expect(texts[14].contains("code: 2"))
  }

  @Test("An error of one engine inside a body of another is the body's")
  func nested() async throws {
    let (first, second) = (try Engine(), try Engine())
    try await second.shutdown()
    do {
      try await first.call { try await second.call {} }
      Issue.record("returned")
    } catch .body(let cause) {
      #expect((cause as? EngineError)?.kind == "shutdown")
    }
  }

  @Test("A body that throws CancellationError by itself is not a cancelled call")
  func ownCancellation() async throws {
    let engine = try Engine()
    let kinds = [
      await errorKind { () async throws(EngineError) in
        try await engine.call { throw CancellationError() }
      },
      await errorKind { () async throws(EngineError) in
        try await engine.call {
          await Task.yield()
          throw CancellationError()
        }
      },
    ]
    #expect(kinds == ["body", "body"])
  }
}
