import Glibc
import Outboard
import Testing

@Suite("Child processes", .timeLimit(.minutes(1)))
struct ProcessTests {
  let engine: Engine

  init() throws { engine = try Engine() }

  private func shell(_ script: String) -> Command { Command("/bin/sh", ["-c", script]) }

  @Test("Output, errors, code and input")
  func run() async throws {
    let result = try await engine.run(
      shell("cat; echo oops >&2; exit 3"), input: Array("hello\n".utf8))
    #expect(result.end == .exited(3) && !result.end.isSuccess)
    #expect(result.text == "hello\n" && result.errorText == "oops\n")
    #expect(result.lostBytes == 0 && result.isComplete)
    #expect(result.end.description == "exited with 3")
  }

  @Test("Arguments as they are, an environment of its own, a directory, a program from PATH")
  func details() async throws {
    var command = Command(
      "sh", ["-c", "printf '%s|' \"$@\"; pwd; echo $WHO $HOME", "sh", "a b", "", "*"],
      environment: ["WHO": "me", "PATH": "/bin"], directory: "/usr")
    #expect(try await engine.run(command).text == "a b||*|/usr\nme\n")
    command.environment = nil
    #expect(try await engine.run(command).text.contains("|/usr\n"))
  }

  @Test("Two at once: each waits for what the other has said")
  func together() async throws {
    let first = SocketPath("a"), second = SocketPath("b")
    let (engine, deadline) = (engine, Deadline.seconds(30))
    unsafe #expect(mkfifo(first.path, 0o600) == 0 && mkfifo(second.path, 0o600) == 0)
    async let one = engine.run(
      shell("echo one >\(first.path); cat \(second.path)"), deadline: deadline)
    async let two = engine.run(
      shell("cat \(first.path); echo two >\(second.path)"), deadline: deadline)
    let said = try await [one.text, two.text]
    #expect(said == ["two\n", "one\n"])
  }

  @Test("Output beyond the limit is thrown away and counted, and does not hold the child up")
  func limit() async throws {
    let big = try await engine.run(
      shell("head -c 3000000 /dev/zero; head -c 500 /dev/zero >&2"), outputLimit: 1000)
    #expect(big.end.isSuccess && big.isComplete)
    #expect((big.output.count, big.errors.count, big.lostBytes) == (1000, 500, 2_999_000))
    let none = try await engine.run(shell("echo x"), outputLimit: 0)
    #expect((none.output.count, none.lostBytes) == (0, 2))
    let exact = try await engine.run(shell("head -c 70000 /dev/zero"), outputLimit: 70_000)
    #expect((exact.output.count, exact.lostBytes) == (70_000, 0))
  }

  @Test("A child that closes its input early, or never reads it, is no error")
  func deafToInput() async throws {
    let much = [UInt8](repeating: 65, count: 5_000_000)
    #expect(try await engine.run(shell("exec <&-; echo fine"), input: much).text == "fine\n")
    #expect(try await engine.run(shell("head -c 1"), input: much).text == "A")
    #expect(try await engine.run(Command("true"), input: much).end.isSuccess)
  }

  @Test("A lot of input and output at once: neither waits for the other")
  func bothWays() async throws {
    let much = (0..<2_000_000).map { UInt8(truncatingIfNeeded: $0 * 31) }
    let result = try await engine.run(Command("cat"), input: much, outputLimit: much.count)
    #expect(result.output == much)
  }

  @Test("At the deadline: TERM, which it may hear")
  func deadline() async throws {
    let path = SocketPath("heard")
    let command = shell("trap 'echo >\(path.path); exit' TERM; while :; do sleep 0.01; done")
    // A loaded machine may not even start it in time.
    for milliseconds in [100, 500, 3000, 20_000] where unsafe access(path.path, F_OK) != 0 {
      do {
        _ = try await engine.run(command, deadline: .milliseconds(milliseconds))
        Issue.record("ended by itself")
      } catch {
        guard case .timedOut(let text?) = error else { throw error }
        #expect(text.contains("/bin/sh"))
      }
    }
    unsafe #expect(access(path.path, F_OK) == 0)
  }

  @Test("At the deadline: KILL after the grace for one that is deaf to TERM")
  func deafToTerm() async throws {
    var command = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done")
    command.grace = .milliseconds(30)
    let child = try await engine.spawn(command, output: .pipe)
    #expect(try await child.standardOutput?.read(upTo: 10) == Array("ready\n".utf8))
    #expect(await failure { try await child.end(deadline: .milliseconds(10)) } == "timedOut")
    child.terminate()
    child.terminate()
    #expect(try await child.end() == .signalled(9))
    #expect(try await child.end() == .signalled(9))
  }

  @Test("With a group of its own its descendants end with it", arguments: [false, true])
  func group(deaf: Bool) async throws {
    var command = shell(
      (deaf ? "(trap '' TERM; " : "(") + "echo $$; while :; do sleep 0.01; done) & wait")
    command.ownProcessGroup = true
    command.grace = .milliseconds(50)
    let child = try await engine.spawn(command, output: .pipe)
    guard let output = child.standardOutput else { throw Fault() }
    _ = try await output.read(upTo: 20)
    #expect(getpgid(child.processID) == child.processID)
    child.terminate()
    _ = try await child.end()
    // The end of the pipe: nobody is left who could write to it.
    #expect(try await output.readToEnd(limit: 1000, deadline: .seconds(30)).isEmpty)
  }

  @Test("Cancellation ends the command and awaits its end")
  func cancelled() async throws {
    let (engine, path) = (engine, SocketPath("pid"))
    let command = shell("echo $$ >\(path.path); exec sleep 600")
    let task = Task { await failure { try await engine.run(command) } }
    #expect(await eventually { unsafe access(path.path, F_OK) == 0 })
    task.cancel()
    #expect(await task.value == "cancelled")
  }

  @Test("A descendant that keeps the pipes does not keep the caller")
  func leftBehind() async throws {
    var command = shell("sleep 20 & echo said")
    command.grace = .milliseconds(50)
    let result = try await engine.run(command)
    #expect(result.text == "said\n" && result.end.isSuccess && !result.isComplete)
  }

  @Test("It begins with no signal blocked or ignored, and with three descriptors")
  func fresh() async throws {
    let pair = SocketPair()  // not close-on-exec
    let result = try await engine.run(
      shell("grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/$$/fd; true"))
    let lines = result.text.split(separator: "\n")
    #expect(lines.count == 5, "\(result.text)")
    // But 32 and 33, which glibc keeps for itself and sets up anew in each program.
    for line in lines.prefix(2) {
      let mask = UInt64(line.split(separator: "\t").last ?? "", radix: 16)
      #expect(mask.map { $0 & ~0x1_8000_0000 } == 0, "\(line)")
    }
    // No pipeline, of which the shell would have the ends for a moment.
    #expect(lines.dropFirst(2) == ["0", "1", "2"])
    _ = pair
  }

  @Test("Signals reach it while it lives")
  func signals() async throws {
    let child = try await engine.spawn(
      shell("trap 'exit 7' USR1; echo ready; while :; do sleep 0.01; done"), output: .pipe)
    _ = try await child.standardOutput?.read(upTo: 10)
    try await child.signal(SIGUSR1)
    #expect(try await child.end() == .exited(7))
    do {
      try await child.signal(SIGUSR1)
      Issue.record("signalled")
    } catch {
      guard case .io(let reason) = error else { throw error }
      #expect(reason.code == ESRCH)
    }
    for number in [Int32(0), -1, 65] {
      #expect(await failure { try await child.signal(number) } == "invalidArgument")
    }
    child.terminate()
  }

  @Test("Several may wait; a wait that is cancelled leaves the child alone")
  func waits() async throws {
    let child = try await engine.spawn(Command("cat"), input: .pipe)
    let waits = (0..<3).map { _ in Task { try await child.end() } }
    let quitter = Task { await failure { try await child.end() } }
    quitter.cancel()
    #expect(await quitter.value == "cancelled")
    try await child.standardInput?.write("x")
    child.standardInput?.close()
    for wait in waits { #expect(try await wait.value == .exited(0)) }
  }

  @Test("Misuse: no program, no directory, NUL bytes, a bad environment, a negative limit")
  func misuse() async throws {
    do {
      _ = try await engine.run(Command("/nowhere/at-all"))
      Issue.record("ran")
    } catch {
      guard case .io(let reason) = error else { throw error }
      #expect(reason.code == ENOENT)
      #expect(
        error.description == "run /nowhere/at-all: no such file or directory (ENOENT)")
    }
    let commands = [
      Command(""), Command("a\0b"), Command("true", ["a\0b"]),
      Command("true", directory: "a\0b"), Command("true", environment: ["": "x"]),
      Command("true", environment: ["a=b": "x"]), Command("true", environment: ["a": "x\0"]),
    ]
    for command in commands {
      #expect(await failure { try await engine.run(command) } == "invalidArgument")
    }
    #expect(
      await failure { try await engine.run(Command("true"), outputLimit: -1) }
        == "invalidArgument")
    #expect(
      await failure { try await engine.run(Command("true"), deadline: .after(.zero)) }
        == "timedOut")
    #expect(await failure { try await engine.run(Command("true", directory: "/none")) } == "io")
  }

  @Test("A stop ends the children, deaf ones too, and those that wait")
  func shutdown() async throws {
    let engine = try Engine()
    var command = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done")
    command.grace = .milliseconds(50)
    let child = try await engine.spawn(command, output: .pipe)
    _ = try await child.standardOutput?.read(upTo: 10)
    let wait = Task { await failure { try await child.end() } }
    let run = Task { [command] in await failure { try await engine.run(command) } }
    try await engine.shutdown()
    #expect(["shutdown", "cancelled"].contains(await wait.value))
    #expect(["shutdown", "cancelled"].contains(await run.value))
    // Reaped: the number is nobody's.
    #expect(await eventually { Glibc.kill(child.processID, 0) != 0 && errno == ESRCH })
    #expect(await failure { try await child.signal(SIGTERM) } == "shutdown")
    #expect(await failure { try await engine.spawn(Command("true")) } == "shutdown")
  }

  @Test(
    "Writing to a child that has gone is an error, never SIGPIPE, on a thread of the host's too")
  func brokenPipe() async throws {
    let child = try await engine.spawn(Command("true"), input: .pipe)
    _ = try await child.end()
    guard let input = child.standardInput else { throw Fault() }
    let code = try await HostThread.run { () -> Int32 in
      // As in most hosts: not blocked, and deadly.
      var set = sigset_t()
      unsafe sigemptyset(&set)
      unsafe sigaddset(&set, SIGPIPE)
      unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
      let result = Recorder<Int32>()
      let task = Task.immediate {
        do { try await input.write("x") } catch {
          if case EngineError.io(let reason) = error { result.add(reason.code) }
        }
      }
      _ = task
      return result.all.first ?? 0
    }
    #expect(code == EPIPE)
    try input.finishWriting()
    #expect(await failure { try await input.write("x") } == "closed")
    #expect(await failure { try input.localAddress() } == "closed")
  }

  @Test("A deadline holds for the start too; a child that is started too late is ended")
  func lateStart() async throws {
    var configuration = Engine.Configuration()
    configuration.offload.threads = 1
    configuration.offload.hardLimit = 1
    let (engine, path) = (try Engine(configuration), SocketPath("mark"))
    let (gate, held) = (Gate(), Counter())
    let holder = Task {
      try await engine.offload {
        held.add()
        gate.pass()
      }
    }
    #expect(await eventually { held.value == 1 })
    let command = shell("echo >\(path.path)")
    #expect(
      await failure { try await engine.run(command, deadline: .milliseconds(10)) } == "timedOut")
    #expect(
      await failure { try await engine.spawn(command, deadline: .milliseconds(10)) } == "timedOut")
    gate.open()
    try await holder.value
    _ = try await engine.offload {}
    // It waited for the thread, and was not started at all.
    unsafe #expect(access(path.path, F_OK) != 0)
  }
}
