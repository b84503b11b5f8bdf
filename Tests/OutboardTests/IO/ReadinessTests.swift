import Glibc
import Outboard
import Testing

@Suite("Waiting for descriptors", .timeLimit(.minutes(1)))
struct ReadinessTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  @Test("Readable when the peer has written, and again for what is left", arguments: [false, true])
  func readable(pipe: Bool) async throws {
    let pair = SocketPair(pipe: pipe)
    let engine = engine
    let heard = Task {
      try await engine.call {
        let loop = threadID
        try await engine.readable(pair.ours)
        try await engine.readable(pair.ours)
        #expect(threadID == loop)
        return pair.hear()
      }
    }
    pair.say("hello")
    #expect(try await heard.value == "hello")
  }

  @Test("Writable at once, or when the peer has made room")
  func writable() async throws {
    let (engine, pair) = (engine, SocketPair())
    try await engine.writable(pair.ours)
    pair.fill()
    #expect(
      await failure { try await engine.writable(pair.ours, deadline: .milliseconds(20)) }
        == "timedOut")
    async let room: Void = engine.writable(pair.ours)
    pair.drain()
    try await room
  }

  @Test("The end and an error count as ready")
  func end() async throws {
    let pair = SocketPair()
    _ = Glibc.shutdown(pair.theirs, Int32(SHUT_RDWR))
    try await engine.readable(pair.ours)
    try await engine.writable(pair.ours)
    #expect(pair.hear().isEmpty)
  }

  @Test("A reader and a writer at once; a second reader is refused and the first goes on")
  func oneEach() async throws {
    let pair = SocketPair()
    pair.fill()
    let engine = engine
    let (reading, writing) = (Counter(), Counter())
    try await engine.call {
      async let reader: Void = {
        try await engine.readable(pair.ours)
        reading.add()
      }()
      async let writer: Void = {
        try await engine.writable(pair.ours)
        writing.add()
      }()
      await Task.yield()
      #expect(await failure { try await engine.readable(pair.ours) } == "busy")
      #expect((reading.value, writing.value) == (0, 0))
      pair.say("x")
      try await reader
      #expect(writing.value == 0)
      pair.drain()
      try await writer
    }
  }

  @Test("Misuse: no descriptor, a closed one, a regular file")
  func misuse() async throws {
    #expect(await failure { try await engine.readable(-1) } == "invalidArgument")
    #expect(await failure { try await engine.writable(-1) } == "invalidArgument")
    let file = unsafe open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    do {
      try await engine.readable(file)
      Issue.record("a regular file was waited for")
    } catch {
      guard case .invalidArgument(let text) = error else { throw error }
      #expect(text.contains("regular file") && text.contains("file functions"))
    }
    do {
      try await engine.readable(1_000_000)
      Issue.record("waited for nothing")
    } catch {
      guard case .io(let failure) = error else { throw error }
      #expect(failure.code == EBADF)
      #expect(error.description == "wait for descriptor 1000000: bad file descriptor (EBADF)")
    }
  }

  @Test("Expired and cancelled before it began: refused at once")
  func tooLate() async throws {
    let (engine, pair) = (engine, SocketPair())
    pair.say("x")
    #expect(
      await failure { try await engine.readable(pair.ours, deadline: .after(.zero)) } == "timedOut")
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      return await failure { try await engine.readable(pair.ours) }
    }
    task.cancel()
    #expect(await task.value == "cancelled")
  }

  @Test("Cancellation ends a wait, and the next one may begin")
  func cancelled() async throws {
    let pair = SocketPair()
    let engine = engine
    for _ in 0..<100 {
      let task = Task {
        await failure { try await engine.readable(pair.ours) }
      }
      if Bool.random() { await Task.yield() }
      task.cancel()
      #expect(await task.value == "cancelled")
    }
    pair.say("x")
    try await engine.readable(pair.ours)
  }

  @Test("endWaits ends both waits; without any it does nothing")
  func ended() async throws {
    let pair = SocketPair()
    pair.fill()
    let engine = engine
    #expect(await engine.endWaits(for: pair.ours) == 0)
    let kinds = try await engine.call {
      async let reader = failure { try await engine.readable(pair.ours) }
      async let writer = failure { try await engine.writable(pair.ours) }
      await letOthersBegin()
      #expect(await engine.endWaits(for: pair.ours) == 2)
      return await [reader, writer]
    }
    #expect(kinds == ["closed", "closed"])
  }

  @Test("A number that was closed under its waiter and given to another file serves the new one")
  func reused() async throws {
    let engine = engine
    let (old, new) = (SocketPair(), SocketPair())
    try await engine.call {
      async let stale = failure { try await engine.readable(old.ours) }
      await letOthersBegin()
      // One step for the system: the old file is closed and the new one has its number.
      #expect(dup2(new.ours, old.ours) == old.ours)
      new.say("for the new one")
      try await engine.readable(old.ours)
      #expect(await stale == "closed")
    }
  }

  @Test("A stop ends waits, of tasks elsewhere too, and later ones are refused")
  func shutdown() async throws {
    let pairs = (0..<10).map { _ in SocketPair() }
    let (engine, begun) = (engine, Counter())
    let waits = pairs.map { pair in
      Task {
        begun.add()
        return await failure { try await engine.readable(pair.ours, deadline: .seconds(600)) }
      }
    }
    #expect(await eventually { begun.value == 10 })
    try await engine.shutdown()
    for wait in waits { #expect(await wait.value == "shutdown") }
    #expect(await failure { try await engine.readable(pairs[0].ours) } == "shutdown")
    #expect(await engine.endWaits(for: pairs[0].ours) == 0)
  }

  @Test("A draining stop does not wait for descriptors of tasks that are no calls")
  func draining() async throws {
    let (engine, pair) = (engine, SocketPair())
    let wait = Task {
      await failure { try await engine.readable(pair.ours) }
    }
    try await engine.call { await Task.yield() }
    try await engine.shutdown(mode: .drain)
    #expect(await wait.value == "shutdown")
  }

  @Test("Hundreds of waits, ended in every way at once, end once each")
  func storm() async throws {
    let engine = engine
    let ended = Counter()
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<300 {
        group.addTask {
          let pair = SocketPair()
          let task = Task {
            try await engine.readable(pair.ours, deadline: .microseconds(number * 10 + 1))
          }
          if number % 3 == 0 { pair.say("x") }
          if number % 3 == 1 { task.cancel() }
          if number % 5 == 0 { await engine.endWaits(for: pair.ours) }
          _ = await task.result
          ended.add()
        }
      }
    }
    #expect(ended.value == 300)
  }
}

extension Deadline {
  fileprivate static func microseconds(_ count: Int) -> Deadline { .after(.microseconds(count)) }
}

/// Without the scheduling SPI a child task may need more than one turn to get to its wait.
private func letOthersBegin() async {
  for _ in 0..<10 { await Task.yield() }
}
