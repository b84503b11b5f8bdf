import Glibc
import Outboard
import Testing

@Suite("Files through the pool", .timeLimit(.minutes(1)))
struct FileTests {
  let engine: Engine
  private let place = SocketPath("file")

  init() throws { engine = try Engine() }

  @Test("Written, read, replaced; nothing else is left in the directory")
  func whole() async throws {
    let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
    try await engine.writeFile(place.path, [1, 2, 3])
    try await engine.writeFile(place.path, bytes)
    #expect(try await engine.readFile(place.path) == bytes)
    #expect(try await engine.readFile(place.path, limit: 300_000) == bytes)
    try await engine.writeFile(place.path, [])
    #expect(try await engine.readFile(place.path).isEmpty)
    #expect(try await engine.run(Command("ls", [place.directory])).text == "file\n")
  }

  @Test("A file that says it is empty and is not")
  func proc() async throws {
    let text = String(decoding: try await engine.readFile("/proc/self/status"), as: UTF8.self)
    #expect(text.hasPrefix("Name:") && text.hasSuffix("\n"))
  }

  @Test("At any place, by several tasks at once")
  func places() async throws {
    let file = try await engine.openFile(place.path, .new)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<20 {
        group.addTask {
          try await file.write([UInt8](repeating: UInt8(number), count: 1000), at: number * 1000)
        }
      }
      try await group.waitForAll()
    }
    #expect(try await file.size() == 20_000)
    #expect(try await file.read(2000, at: 6500) == (0..<2000).map { UInt8((6500 + $0) / 1000) })
    #expect(try await file.read(100, at: 19_990).count == 10)
    #expect(try await file.read(100, at: 30_000).isEmpty)
    #expect(try await file.read(.max, at: 19_999) == [19])
    try await file.truncate(to: 5)
    try await file.sync()
    #expect(try await engine.readFile(place.path) == [0, 0, 0, 0, 0])
  }

  @Test("On a pool thread, while the loop goes on")
  func pool() async throws {
    let (engine, fifo) = (engine, SocketPath("fifo"))
    unsafe #expect(mkfifo(fifo.path, 0o600) == 0)
    // Opening blocks until somebody writes.
    async let blocked = engine.openFile(fifo.path)
    try await engine.call {}
    _ = try await engine.run(Command("sh", ["-c", "echo >\(fifo.path)"]))
    _ = try await blocked
  }

  @Test("At the deadline and when cancelled it is not waited for")
  func abandoned() async throws {
    let (engine, fifo) = (engine, SocketPath("fifo"))
    unsafe #expect(mkfifo(fifo.path, 0o600) == 0)
    #expect(
      await failure { try await engine.openFile(fifo.path, deadline: .milliseconds(10)) }
        == "timedOut")
    let task = Task { await failure { try await engine.readFile(fifo.path) } }
    try await engine.call { await Task.yield() }
    task.cancel()
    #expect(await task.value == "cancelled")
    #expect(
      await failure { try await engine.readFile(fifo.path, deadline: .after(.zero)) }
        == "timedOut")
    // Lets go of the threads that still open it, whenever they get there.
    repeat {
      let fd = unsafe open(fifo.path, O_RDWR | O_NONBLOCK)
      if fd >= 0 { close(fd) }
    } while await failure { try await engine.shutdown(deadline: .milliseconds(20)) } == "timedOut"
  }

  @Test("Closed, when what is under way has ended; twice is fine")
  func closed() async throws {
    let file = try await engine.openFile(place.path, .readWrite)
    try await file.write([7], at: 0)
    async let late = file.read(1, at: 0)
    _ = try? await late
    file.close()
    file.close()
    #expect(await failure { try await file.read(1, at: 0) } == "closed")
    #expect(await failure { try await file.write([1], at: 0) } == "closed")
    #expect(await failure { try await file.size() } == "closed")
    #expect(await failure { try await file.truncate(to: 1) } == "closed")
    #expect(await failure { try await file.sync() } == "closed")
    #expect(try await engine.readFile(place.path) == [7])
  }

  @Test("Misuse: paths, numbers, modes, what is too large, a directory, a stopped engine")
  func misuse() async throws {
    for path in ["", "a\0b"] {
      #expect(await failure { try await engine.readFile(path) } == "invalidArgument")
      #expect(await failure { try await engine.writeFile(path, []) } == "invalidArgument")
      #expect(await failure { try await engine.openFile(path) } == "invalidArgument")
    }
    #expect(await failure { try await engine.readFile("/x", limit: -1) } == "invalidArgument")
    do {
      _ = try await engine.readFile("/nowhere/at-all")
      Issue.record("read")
    } catch {
      guard case .io(let reason) = error else { throw error }
      #expect(reason.code == ENOENT && reason.operation == "open /nowhere/at-all")
    }
    #expect(await failure { try await engine.writeFile("/nowhere/at-all", []) } == "io")
    #expect(await failure { try await engine.readFile("/tmp") } == "io")
    try await engine.writeFile(place.path, [1, 2, 3])
    #expect(await failure { try await engine.readFile(place.path, limit: 2) } == "tooLarge")
    #expect(await failure { try await engine.openFile(place.path, .new) } == "io")
    let file = try await engine.openFile(place.path)
    #expect(await failure { try await file.write([1], at: 0) } == "io")
    #expect(await failure { try await file.write([1], at: -1) } == "invalidArgument")
    #expect(await failure { try await file.read(-1, at: 0) } == "invalidArgument")
    #expect(await failure { try await file.read(1, at: -1) } == "invalidArgument")
    #expect(await failure { try await file.truncate(to: -1) } == "invalidArgument")
    try await engine.shutdown()
    #expect(await failure { try await file.size() } == "shutdown")
    #expect(await failure { try await engine.readFile(place.path) } == "shutdown")
  }
}
