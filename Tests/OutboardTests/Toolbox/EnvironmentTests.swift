import Glibc
import Testing

@testable import Outboard

@Suite("Configuration from the environment", .timeLimit(.minutes(1)))
struct EnvironmentTests {
  private func read(_ environment: [String: String]) throws(EnvironmentError)
    -> Engine.Configuration
  {
    try .from(environment: environment, prefix: "T_")
  }

  /// The text of the error of one variable.
  private func refusal(_ name: String, _ value: String) -> String {
    do {
      _ = try read([name: value])
      return "accepted"
    } catch {
      return error.description
    }
  }

  @Test("Every option; what is not set, and what has another prefix, changes nothing")
  func all() async throws {
    #expect(try read([:]) == Engine.Configuration())
    #expect(try read(["QUEUE_LIMIT": "x", "t_NAME": "y", "TT_": "z"]) == Engine.Configuration())
    let configuration = try read([
      "T_NAME": "ob-env", "T_STACK_SIZE": "512KiB", "T_QUEUE_LIMIT": "100", "T_BATCH_LIMIT": "7",
      "T_SPIN_BUDGET": "0ns", "T_FORK_POLICY": "restart", "T_OFFLOAD_THREADS": "2",
      "T_OFFLOAD_HARD_LIMIT": "3", "T_OFFLOAD_QUEUE_LIMIT": "9", "T_OFFLOAD_IDLE_TIMEOUT": "250ms",
      "T_START_TIMEOUT": "2min",
    ])
    var expected = Engine.Configuration()
    expected.name = "ob-env"
    expected.stackSize = 524_288
    expected.queueLimit = 100
    expected.batchLimit = 7
    expected.spinBudget = .zero
    expected.forkPolicy = .restart
    expected.offload.threads = 2
    expected.offload.hardLimit = 3
    expected.offload.queueLimit = 9
    expected.offload.idleTimeout = .milliseconds(250)
    expected.startTimeout = .seconds(120)
    #expect(configuration == expected)
    // The real thing takes them.
    let engine = try Engine(configuration)
    #expect(try await engine.call { threadCount("ob-env") } > 0)
    try await engine.shutdown()
  }

  @Test("Each unit, and the ends of each range")
  func units() throws {
    let durations: [(String, Duration)] = [
      ("1ns", .nanoseconds(1)), ("2us", .microseconds(2)), ("3ms", .milliseconds(3)),
      ("4s", .seconds(4)), ("5min", .seconds(300)), ("24h", .seconds(86_400)),
    ]
    for (text, value) in durations {
      #expect(try read(["T_START_TIMEOUT": text]).startTimeout == value)
    }
    for (text, value) in [("131072B", 131_072), ("128KiB", 131_072), ("1GiB", 1 << 30)] {
      #expect(try read(["T_STACK_SIZE": text]).stackSize == value)
    }
    for value in [1, 4_294_967_295] {
      #expect(try read(["T_QUEUE_LIMIT": "\(value)"]).queueLimit == value)
    }
  }

  @Test("What is ambiguous or wrong is refused, and the error names variable, value, and cure")
  func refused() {
    let wrong = [
      "T_START_TIMEOUT": [
        "", "2", "2 s", " 2s", "2s ", "2S", "2m", "2sec", "1.5s", "-2s", "+2s", "1_000ms", "s",
        "0ns", "25h", "99999999999999999999s", "9999999999999999999h", "02s", "٢s", "²s", "2s2s",
      ],
      "T_STACK_SIZE": ["64", "512kb", "512KB", "512K", "512kib", "0B", "64KiB", "2GiB", "1TiB"],
      "T_QUEUE_LIMIT": ["", "0", "-1", "+5", "1e3", "0x10", "007", "4294967296", "1k", "5 ", "٥"],
      "T_FORK_POLICY": ["", "Fail", "FAIL", "restart ", "1", "true"],
      "T_NAME": ["", "sixteen-bytes-xx", "äöüäöüäö"],
      "T_SPIN_BUDGET": ["5s", "never"],
    ]
    for (name, values) in wrong {
      for value in values {
        let text = refusal(name, value)
        #expect(text.hasPrefix("\(name) is \"\(value)\"; accepted: "), "\(name)=\(value): \(text)")
      }
    }
    #expect(
      refusal("T_SPIN_BUDGET", "2")
        == "T_SPIN_BUDGET is \"2\"; accepted: a whole number with a unit "
        + "(ns, us, ms, s, min, h), such as 250ms or 2s, from 0ns to 4s")
    #expect(
      refusal("T_FORK_POLICY", "Fail")
        == "T_FORK_POLICY is \"Fail\"; accepted: exactly fail or restart")
  }

  @Test("Unknown variables under the prefix are errors; all errors are told at once")
  func unknown() {
    let error = #expect(throws: EnvironmentError.self) {
      try read(["T_QUEUELIMIT": "5", "T_": "", "T_BATCH_LIMIT": "x", "T_NAME": ""])
    }
    #expect(error?.issues.count == 4)
    #expect(error?.description.contains("T_QUEUELIMIT (\"5\") is not known; known: T_NAME") == true)
    let empty = #expect(throws: EnvironmentError.self) {
      try Engine.Configuration.from(environment: ["X": "1"], prefix: "")
    }
    #expect(empty?.issues == [.emptyPrefix])
  }

  @Test("Limits that contradict each other are not mended")
  func contradiction() throws {
    #expect(
      refusal("T_OFFLOAD_THREADS", "65")
        == "T_OFFLOAD_THREADS is \"65\"; accepted: at most OFFLOAD_HARD_LIMIT, which is 64")
    #expect(
      refusal("T_OFFLOAD_HARD_LIMIT", "3")
        == "T_OFFLOAD_HARD_LIMIT is \"3\"; accepted: at least OFFLOAD_THREADS, which is 4")
    let both = ["T_OFFLOAD_THREADS": "65", "T_OFFLOAD_HARD_LIMIT": "65"]
    #expect(try read(both).offload.threads == 65)
  }

  @Test("Variables of one's own, beside those of the engine")
  func own() throws {
    var reader = EnvironmentReader(
      prefix: "T_", environment: ["T_CACHE": "true", "T_LOG": "loud", "T_NAME": "ob-own"])
    #expect(reader.boolean("CACHE") == true)
    #expect(reader.boolean("OTHER") == nil)
    #expect(reader.token("LOG", ["quiet": 0, "loud": 2]) == 2)
    #expect(reader.engineConfiguration().name == "ob-own")
    try reader.finish()
    for value in ["TRUE", "True", "1", "yes", "on", ""] {
      var reader = EnvironmentReader(prefix: "T_", environment: ["T_CACHE": value])
      #expect(reader.boolean("CACHE") == nil)
      let error = #expect(throws: EnvironmentError.self) { try reader.finish() }
      #expect(
        error?.description == "T_CACHE is \"\(value)\"; accepted: exactly true or false")
    }
  }

  @Test("Entries that are there twice, or no text, are refused under the prefix only")
  func entries() {
    let reader = EnvironmentReader(
      prefix: "T_",
      entries: [
        Array("T_A=1".utf8), Array("T_A=2".utf8), Array("T_B=".utf8) + [0xff], [0xff, 0xfe],
        Array("U_A=1".utf8), Array("U_A=1".utf8), Array("T_C".utf8),
      ])
    let error = #expect(throws: EnvironmentError.self) { try reader.finish() }
    #expect(error?.issues.first == .repeated(variable: "T_A"))
    #expect(error?.issues.contains(.notText(variable: "T_B")) == true)
    #expect(error?.issues.contains(.notText(variable: "T_C")) == true)
    #expect(error?.description.contains("U_A") == false)
  }

  @Test("The environment of the process")
  func process() throws {
    var reader = EnvironmentReader(prefix: "PA")
    let path = unsafe getenv("PATH").map { unsafe String(cString: $0) }
    #expect(path != nil)
    #expect(reader.text("TH", bytes: 1...100_000) == path)
    #expect(
      try Engine.Configuration.fromEnvironment(prefix: "OUTBOARD_TEST_UNUSED_")
        == Engine.Configuration())
  }
}
