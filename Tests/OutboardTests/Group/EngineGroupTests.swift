import Outboard
import Testing

@Suite("Engine groups", .timeLimit(.minutes(1)))
struct EngineGroupTests {
  private func named(_ name: String) -> Engine.Configuration {
    var configuration = Engine.Configuration()
    configuration.name = name
    return configuration
  }

  @Test("A count out of range is refused", arguments: [-1, 0, 257])
  func count(of count: Int) throws {
    do {
      _ = try EngineGroup(count: count)
      Issue.record("started")
    } catch {
      guard case .invalidArgument(let text) = error else { throw error }
      #expect(text.contains("\(count)") && text.contains("1 to 256"), "\(text)")
    }
  }

  @Test("An option that an engine refuses is refused, and no thread stays")
  func options() async throws {
    var configuration = named("group-bad")
    configuration.queueLimit = 0
    #expect(
      errorKind { () throws(EngineError) in try EngineGroup(count: 3, configuration) }
        == "invalidArgument")
    #expect(await eventually { threadCount("group-bad") == 0 })
  }

  @Test("Each engine has a thread of its own, named and numbered, and all end together")
  func threads() async throws {
    let group = try EngineGroup(count: 3, named("a-name-too-long"))
    #expect((0..<3).allSatisfy { threadCount("a-name-too-lo-\($0)") == 1 })
    try await group.shutdown()
    #expect(await eventually { threadCount("a-name-too-lo") == 0 })
  }

  @Test("In turn each engine gets its share")
  func roundRobin() async throws {
    let group = try EngineGroup(count: 3)
    var counts = [0, 0, 0]
    for _ in 0..<30 {
      let engine = try await group.call { Engine.current }
      let index = try #require(group.engines.firstIndex { $0 === engine })
      counts[index] += 1
    }
    #expect(counts == [10, 10, 10])
  }

  @Test("A busy engine is passed over, and gets calls again when it is free")
  func leastLoaded() async throws {
    let group = try EngineGroup(count: 2, placement: .leastLoaded)
    let (gate, held) = (Gate(), Counter())
    let ticket = try group.submit {
      held.add()
      gate.pass()
      return Engine.current
    }
    #expect(await eventually { held.value == 1 })
    for _ in 0..<20 { #expect(try await group.call { held.value } == 1) }
    gate.open()
    let busy = try await ticket.value
    var used = 0
    for _ in 0..<20 where try await group.call({ Engine.current }) === busy { used += 1 }
    #expect(used == 10)
  }

  @Test("However calls end, they are not counted as under way afterwards")
  func load() async throws {
    let group = try EngineGroup(count: 2, placement: .leastLoaded)
    for number in 0..<40 {
      _ = try? await group.call(key: 1) { if number % 2 == 0 { throw Fault() } }
      _ = try? await group.call(key: 1, deadline: .after(.zero)) {}
      _ = try? await group.call(key: 1, deadline: .milliseconds(1)) {
        try await Task.sleep(for: .seconds(60))
      }
      try group.post(key: 1) {}
      let dropped = try group.submit(key: 1) { try await Task.sleep(for: .seconds(60)) }
      dropped.cancel()
    }
    let group1 = group.engine(for: 1)
    #expect(
      await eventually { (try? group1.statistics().inFlight) == 0 })
    var used = 0
    for _ in 0..<20 where try await group.call({ Engine.current }) === group1 { used += 1 }
    #expect(used == 10)
  }

  @Test("Equal keys go to one engine, in order; others elsewhere")
  func keys() async throws {
    let group = try EngineGroup(count: 4)
    let seen = Recorder<[Int]>()
    let engines = Set((0..<64).map { ObjectIdentifier(group.engine(for: "key \($0)")) })
    #expect(engines.count == 4)
    try await HostThread.run {
      for number in 0..<500 {
        for key in 0..<3 { try group.post(key: key, whenFull: .wait) { seen.add([key, number]) } }
      }
      for key in 0..<3 {
        #expect(
          try group.callAndWait(key: key) { Engine.current } === group.engine(for: key))
      }
    }
    for key in 0..<3 {
      #expect(seen.all.filter { $0[0] == key }.map { $0[1] } == Array(0..<500))
    }
  }

  @Test(
    "A blocking call on one of its loops stays there, and what would wait for itself is refused")
  func nested() async throws {
    let group = try EngineGroup(count: 3)
    try await HostThread.run {
      for _ in 0..<9 {
        let kinds = try group.callAndWait { () throws -> [String] in
          let own = Engine.current
          let inner = try group.callAndWait { Engine.current }
          #expect(inner === own)
          return [
            errorKind { () throws(EngineError) in try group.callAndWait { () async in } },
            errorKind { () throws(EngineError) in try group.offloadAndWait {} },
          ]
        }
        #expect(kinds == ["deadlock", "deadlock"])
      }
    }
  }

  @Test("Two engines that wait for each other: one is refused, none hangs")
  func cycle() async throws {
    let group = try EngineGroup(count: 2)
    let (first, second) = (group.engines[0], group.engines[1])
    let meeting = Counter()
    let cross: @Sendable (Engine) -> String = { other in
      meeting.add()
      _ = eventuallyBlocking { meeting.value == 2 }
      return errorKind { () throws(EngineError) in try other.callAndWait {} }
    }
    async let one = first.call { cross(second) }
    async let two = second.call { cross(first) }
    #expect(try await [one, two].sorted() == ["deadlock", "none"])
  }

  @Test("Results, errors and deadlines are those of one engine")
  func identical() async throws {
    let (group, engine) = (try EngineGroup(count: 2), try Engine())
    #expect(try await group.call { 1 } == engine.call { 1 })
    #expect(try await group.offload { 2 } == engine.offload { 2 })
    #expect(try await group.submit { 3 }.value == engine.submit { 3 }.value)
    let ofGroup = [
      await errorKind { () async throws(EngineError) in try await group.call { throw Fault() } },
      await errorKind { () async throws(EngineError) in
        try await group.call(deadline: .after(.zero)) {}
      },
      await errorKind { () async throws(EngineError) in
        try await group.call(deadline: .milliseconds(5)) {
          try await Task.sleep(for: .seconds(60))
        }
      },
      await errorKind { () async throws(EngineError) in
        try await group.offload { throw CancellationError() }
      },
    ]
    let ofEngine = [
      await errorKind { () async throws(EngineError) in try await engine.call { throw Fault() } },
      await errorKind { () async throws(EngineError) in
        try await engine.call(deadline: .after(.zero)) {}
      },
      await errorKind { () async throws(EngineError) in
        try await engine.call(deadline: .milliseconds(5)) {
          try await Task.sleep(for: .seconds(60))
        }
      },
      await errorKind { () async throws(EngineError) in
        try await engine.offload { throw CancellationError() }
      },
    ]
    #expect(ofGroup == ofEngine)
    #expect(ofGroup == ["body", "timedOut", "timedOut", "body"])
  }

  @Test("A stop is one stop: it names what runs on any engine, and everything is refused after it")
  func shutdown() async throws {
    let group = try EngineGroup(count: 3)
    let (gate, held) = (Gate(), Counter())
    let calls = ["the first", "the third"].enumerated().map { index, _ in
      Task {
        try await group.engines[index * 2].offload(name: index == 0 ? "number one" : "number three")
        {
          held.add()
          gate.pass()
        }
      }
    }
    #expect(await eventually { held.value == 2 })
    do {
      try await group.shutdown(deadline: .milliseconds(20))
      Issue.record("stopped")
    } catch {
      guard case .timedOut(let text?) = error else { throw error }
      #expect(text.contains("number one") && text.contains("number three"), "\(text)")
    }
    gate.open()
    gate.open()
    try await HostThread.run { try group.shutdownAndWait() }
    for call in calls { _ = await call.result }
    for _ in 0..<3 {
      #expect(
        await errorKind { () async throws(EngineError) in try await group.call {} } == "shutdown")
      #expect(errorKind { () throws(EngineError) in try group.post {} } == "shutdown")
    }
    try await group.shutdown()
  }

  @Test("Draining, what was accepted runs on every engine")
  func drain() async throws {
    let group = try EngineGroup(count: 3)
    let ran = Counter()
    try await HostThread.run { () throws -> Void in
      for _ in 0..<3_000 { try group.post(whenFull: .wait) { ran.add() } }
      try group.shutdownAndWait(mode: .drain)
    }
    #expect(ran.value == 3_000)
  }

  @Test("Stopped on one of its loops it begins to, and says so")
  func onLoop() async throws {
    let group = try EngineGroup(count: 2)
    let kind = try await group.call {
      await errorKind { () async throws(EngineError) in try await group.shutdown() }
    }
    #expect(kind == "stopInProgress")
    try await group.shutdown()
  }

  @Test("The example of the article on task management")
  func example() async throws {
    let posted = Counter()
    let group = try EngineGroup(count: 4, placement: .leastLoaded)
    let answer = try await group.call { 42 }
    try group.post(key: "account 7") { posted.add() }  // one engine for a key: in order
    try await group.shutdown(mode: .drain)
    #expect(answer == 42 && posted.value == 1)
  }
}
