import Outboard
import Testing

@Suite("Streams", .timeLimit(.minutes(2)))
struct StreamTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  // MARK: From the loop

  @Test("A body on the loop answers with many values", arguments: [1, 3, 64])
  func many(capacity: Int) async throws {
    let engine = engine
    let stream = try engine.stream(of: Int.self, buffer: .bounded(capacity)) { writer in
      for number in 0..<1_000 {
        try await writer.send(number)
        #expect(engine.isOnLoop)
      }
    }
    var next = 0
    for try await number in stream {
      #expect(number == next)
      next += 1
    }
    #expect(next == 1_000)
    #expect(try await stream.makeAsyncIterator().next() == nil)  // again and again
  }

  @Test("A full stream holds its body up and not the loop")
  func backPressure() async throws {
    let (engine, sent) = (engine, Counter())
    let stream = try engine.stream(of: Int.self, buffer: .bounded(8)) { writer in
      for number in 0..<100 {
        try await writer.send(number)
        sent.add()
      }
    }
    #expect(await eventually { sent.value == 8 })
    for _ in 0..<100 { try await engine.call {} }
    #expect(sent.value == 8)
    let iterator = stream.makeAsyncIterator()
    for number in 0..<4 { #expect(try await iterator.next() == number) }
    #expect(await eventually { sent.value == 12 })
  }

  @Test("The body's error comes after the elements")
  func error() async throws {
    let stream = try engine.stream(of: Int.self) { writer in
      try await writer.send(1)
      throw Fault(code: 4)
    }
    let iterator = stream.makeAsyncIterator()
    #expect(try await iterator.next() == 1)
    for _ in 0..<2 {
      do throws(EngineError) {
        _ = try await iterator.next()
        Issue.record("no error")
      } catch {
        guard case .body(let fault) = error else {
          Issue.record("\(error)")
          return
        }
        #expect(fault as? Fault == Fault(code: 4))
      }
    }
  }

  @Test("A consumer that leaves cancels the body; what it left is destroyed")
  func leaving() async throws {
    let (engine, ended, alive) = (engine, Counter(), Counter())
    do {
      let stream = try engine.stream(of: Tracked.self, buffer: .bounded(4)) { writer in
        defer { ended.add() }
        while true { try await writer.send(Tracked(alive)) }
      }
      for try await _ in stream { break }
    }
    #expect(await eventually { ended.value == 1 })
    #expect(await eventually { alive.value == 0 })
  }

  @Test("A body that sleeps hears that the consumer has left")
  func sleeping() async throws {
    let (engine, started, ended) = (engine, Counter(), Counter())
    do {
      let stream = try engine.stream(of: Int.self) { _ in
        started.add()
        defer { ended.add() }
        try await Task.sleep(for: .seconds(60))
      }
      #expect(await eventually { started.value == 1 })
      _ = stream
    }
    #expect(await eventually { ended.value == 1 })
  }

  @Test("A cancelled consumer stops waiting, and the stream goes on")
  func cancelledConsumer() async throws {
    let (stream, writer) = try engine.channel(of: Int.self)
    for round in 0..<500 {  // before, while and after it begins to wait
      let waiting = Task {
        await errorKind { () async throws(EngineError) in
          try await stream.makeAsyncIterator().next()
        }
      }
      for _ in 0..<(round % 5) { await Task.yield() }
      waiting.cancel()
      #expect(await waiting.value == "cancelled")
    }
    try await writer.send(3)
    #expect(try await stream.makeAsyncIterator().next() == 3)
    writer.finish()
    #expect(try await stream.makeAsyncIterator().next() == nil)
  }

  @Test("A writer that outlives its body is refused, and harms nothing")
  func leakedWriter() async throws {
    let leaked = Recorder<StreamWriter<Int>>()
    do {
      let stream = try engine.stream(of: Int.self) { writer in leaked.add(writer) }
      #expect(try await stream.makeAsyncIterator().next() == nil)
    }
    try await engine.shutdown()
    let writer = try #require(leaked.all.first)
    #expect(errorKind { () throws(EngineError) in try writer.trySend(1) } == "invalidArgument")
    #expect(writer.isCancelled)
    writer.finish(throwing: Fault())
  }

  @Test("A cancelled sender stops waiting for room, and its element is destroyed")
  func cancelledSender() async throws {
    let alive = Counter()
    let (stream, writer) = try engine.channel(of: Tracked.self, buffer: .bounded(1))
    try await writer.send(Tracked(alive))
    for round in 0..<200 {
      let sending = Task {
        await errorKind { () async throws(EngineError) in try await writer.send(Tracked(alive)) }
      }
      for _ in 0..<(round % 5) { await Task.yield() }
      sending.cancel()
      #expect(await sending.value == "cancelled")
    }
    #expect(await eventually { alive.value == 1 })
    #expect(try await stream.makeAsyncIterator().next() != nil)
    writer.finish()
    #expect(try await stream.makeAsyncIterator().next() == nil)
  }

  // MARK: Blocking

  @Test("A host's thread takes the elements")
  func blocking() async throws {
    let engine = engine
    let total = try await HostThread.run {
      let stream = try engine.stream(of: Int.self, buffer: .bounded(4)) { writer in
        for number in 1...1_000 { try await writer.send(number) }
      }
      var sum = 0
      while let number = try stream.next(deadline: .seconds(30)) {
        sum += number
        if number == 500 { break }
      }
      try stream.forEachAndWait { sum += $0 }
      return sum
    }
    #expect(total == 500_500)
  }

  @Test("Blocking gives up in time, and on the loop at once")
  func misuse() async throws {
    let engine = engine
    let (stream, writer) = try engine.channel(of: Int.self, buffer: .bounded(1))
    let kinds = try await HostThread.run {
      [
        errorKind { () throws(EngineError) in try stream.next(deadline: .milliseconds(1)) },
        errorKind { () throws(EngineError) in
          try engine.callAndWait { _ = try stream.next() }
        },
        errorKind { () throws(EngineError) in try writer.sendAndWait(1) },
        errorKind { () throws(EngineError) in
          try writer.sendAndWait(2, deadline: .milliseconds(1))
        },
        errorKind { () throws(EngineError) in
          try engine.callAndWait { try writer.sendAndWait(2) }
        },
        errorKind { () throws(EngineError) in
          try stream.forEachAndWait { _ in throw Fault() }
        },
      ]
    }
    #expect(kinds == ["timedOut", "body", "none", "timedOut", "body", "body"])
    writer.finish()
    #expect(
      await errorKind { () async throws(EngineError) in try await writer.send(5) }
        == "invalidArgument")
    #expect(errorKind { () throws(EngineError) in try writer.trySend(5) } == "invalidArgument")
    #expect(writer.isCancelled)
  }

  @Test("A buffer out of range, an engine that has stopped", arguments: [0, -1, 1 << 21])
  func refused(capacity: Int) async throws {
    #expect(
      errorKind { () throws(EngineError) in
        try engine.channel(of: Int.self, buffer: .bounded(capacity))
      } == "invalidArgument")
    try await engine.shutdown()
    #expect(
      errorKind { () throws(EngineError) in try engine.stream(of: Int.self) { _ in } }
        == "shutdown")
  }

  // MARK: Into the loop

  @Test("A host's thread feeds a body on the loop")
  func feeding() async throws {
    let engine = engine
    let (stream, writer) = try engine.channel(of: Int.self, buffer: .bounded(2))
    let feeder = HostThread {
      for number in 1...1_000 { try? writer.sendAndWait(number) }
      writer.finish()
    }
    let sum = try await engine.call { () async throws in
      var sum = 0
      for try await number in stream {
        #expect(engine.isOnLoop)
        sum += number
      }
      return sum
    }
    feeder.join()
    #expect(sum == 500_500)
  }

  @Test("An asynchronous sequence is the input of a call")
  func consuming() async throws {
    let (engine, left) = (engine, Counter())
    let input = AsyncStream<Int> { continuation in
      continuation.onTermination = { _ in left.add() }
      for number in 1...100 { continuation.yield(number) }
    }
    let sum = try await engine.call(consuming: input, buffer: .bounded(4)) { numbers in
      var sum = 0
      for try await number in numbers {
        sum += number
        if number == 100 { break }  // it has no end
      }
      return sum
    }
    #expect(sum == 5_050)
    #expect(await eventually { left.value == 1 })
  }

  @Test("A writer that goes ends its stream")
  func dropped() async throws {
    let stream = try engine.channel(of: Int.self).stream
    #expect(try await stream.makeAsyncIterator().next() == nil)
  }

  // MARK: Deadline and stop

  @Test("The deadline ends the stream and cancels its body")
  func deadline() async throws {
    let ended = Counter()
    let stream = try engine.stream(of: Int.self, deadline: .milliseconds(20)) { writer in
      defer { ended.add() }
      try await writer.send(1)
      try await Task.sleep(for: .seconds(60))
    }
    let iterator = stream.makeAsyncIterator()
    #expect(try await iterator.next() == 1)
    let kind = await errorKind { () async throws(EngineError) in try await iterator.next() }
    #expect(kind == "timedOut")
    #expect(await eventually { ended.value == 1 })
  }

  @Test("A stop ends streams; what is in them can be read")
  func stop() async throws {
    let (stream, writer) = try engine.channel(of: Int.self)
    try await writer.send(1)
    try await engine.shutdown()
    #expect(
      await errorKind { () async throws(EngineError) in try await writer.send(2) }
        == "cancelled")
    let iterator = stream.makeAsyncIterator()
    #expect(try await iterator.next() == 1)
    let kind = await errorKind { () async throws(EngineError) in try await iterator.next() }
    #expect(kind == "shutdown")
  }

  // MARK: Many at once

  @Test("Tasks and threads send and take at once", arguments: [1, 16])
  func crowd(capacity: Int) async throws {
    let (stream, writer) = try engine.channel(of: Int.self, buffer: .bounded(capacity))
    let (taken, sum) = (Counter(), Counter())
    let host = HostThread {
      for number in 0..<500 { try? writer.sendAndWait(number) }
    }
    let hostTaker = HostThread {
      try? stream.forEachAndWait { number in
        taken.add()
        sum.add(number)
      }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<2 {
        group.addTask {
          for try await number in stream {
            taken.add()
            sum.add(number)
          }
        }
      }
      await withTaskGroup(of: Void.self) { senders in
        for _ in 0..<3 {
          senders.addTask { for number in 0..<500 { try? await writer.send(number) } }
        }
      }
      host.join()
      writer.finish()
      try await group.waitForAll()
    }
    hostTaker.join()
    #expect(taken.value == 2_000)
    #expect(sum.value == 4 * 500 * 499 / 2)
  }
}
