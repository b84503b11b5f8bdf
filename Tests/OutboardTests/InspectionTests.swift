import FoundationEssentials
import Glibc
import Outboard
import Testing

@Suite("Looking inside", .timeLimit(.minutes(1)))
struct InspectionTests {
  private func inspection(_ change: (inout Engine.Inspection) -> Void = { _ in })
    -> Engine.Inspection
  {
    var inspection = Engine.Inspection()
    inspection.every = 1
    change(&inspection)
    return inspection
  }

  @Test("Off, nothing is measured or recorded")
  func off() throws {
    let engine = try Engine()
    for _ in 0..<10 { try engine.callAndWait {} }
    let health = try engine.health()
    #expect(health.run.count == 0 && health.lag.count == 0 && health.stalls == 0)
    #expect(health.state == .running)
    #expect(health.statistics.submitted >= 10)
    #expect(try engine.recordedCalls().isEmpty)
    #expect(try engine.lastStall() == nil)
  }

  @Test("Calls of each kind are recorded under their names")
  func recorded() async throws {
    let engine = try Engine()
    try engine.inspect(inspection())
    try await engine.call(name: "awaited") {}
    try await engine.call(name: "asynchronous") { await Task.yield() }
    try await engine.offload(name: "offloaded") {}
    try await engine.call(deadline: .seconds(60), name: "with a deadline") {}
    try await engine.shutdown(mode: .drain)
    let calls = try engine.recordedCalls()
    let names = calls.compactMap(\.name)
    #expect(names == ["awaited", "asynchronous", "offloaded", "with a deadline"])
    for call in calls {
      let started = try #require(call.started)
      #expect(call.enqueued <= started && started <= call.ended)
      #expect(call.error == nil && call.weight == 1)
    }
    #expect(try engine.recordedCalls(limit: 1).map(\.number) == calls.suffix(1).map(\.number))
    #expect(try engine.health().run.count >= 4)
    #expect(try engine.health().state == .stopped)
    try engine.resetInspection()
    #expect(try engine.recordedCalls().isEmpty)
  }

  @Test("A stalled call site is named while it stalls")
  func stalled() async throws {
    let engine = try Engine()
    let stalls = Recorder<Engine.Stall>()
    let gate = Gate()
    try engine.inspect(
      inspection { $0.stallThreshold = .milliseconds(20) },
      onStall: { [stalls] stall in
        stalls.add(stall)
        gate.open()
      })
    try await engine.call(name: "holds the loop") { gate.pass() }
    let stall = try #require(stalls.all.first)
    #expect(stall.name == "holds the loop")
    #expect(stall.engine == "outboard")
    #expect(stall.held >= .milliseconds(20))
    #expect(stall.frames.isEmpty)
    // On a busy machine a loop that was not let run may look like one more.
    let last = try #require(try engine.lastStall())
    #expect(last.number >= 1)
    #expect(try engine.health().stalls >= last.number)
    try engine.inspect(nil)
  }

  @Test("A step of a task that stalls is told by the call that waits for it")
  func stalledTask() async throws {
    let engine = try Engine()
    let stalls = Recorder<Engine.Stall>()
    let gate = Gate()
    try engine.inspect(
      inspection { $0.stallThreshold = .milliseconds(20) },
      onStall: { stall in
        stalls.add(stall)
        gate.open()
      })
    try await engine.call(name: "steps") {
      await Task.yield()
      gate.pass()
    }
    let stall = try #require(stalls.all.first)
    #expect(stall.name == "steps" || stall.pendingCall == "steps")
  }

  @Test("The closure is let go when it is replaced, and with the engine")
  func closureLetGo() throws {
    weak var first: Recorder<Int>?
    weak var second: Recorder<Int>?
    do {
      let engine = try Engine()
      try {
        let one = Recorder<Int>()
        let two = Recorder<Int>()
        first = one
        second = two
        try engine.inspect(Engine.Inspection()) { _ in one.add(1) }
        #expect(first != nil)
        try engine.inspect(Engine.Inspection()) { _ in two.add(1) }
      }()
      #expect(first == nil)
      #expect(second != nil)
      try engine.shutdownAndWait()
    }
    #expect(eventuallyBlocking { second == nil })
  }

  @Test("An option out of range is named, changes nothing and keeps no closure")
  func misuse() throws {
    let engine = try Engine()
    weak var kept: Recorder<Int>?
    let bad: [(String, (inout Engine.Inspection) -> Void)] = [
      ("stall_ns", { $0.stallThreshold = .zero }),
      ("record_last", { $0.recordedCalls = 0 }),
      ("record_last", { $0.recordedCalls = -1 }),
      ("every", { $0.every = .max }),
      ("stack_signal", { $0.stackSignal = SIGSEGV }),
    ]
    for (word, change) in bad {
      let recorder = Recorder<Int>()
      kept = recorder
      let error = #expect(throws: EngineError.self) {
        try engine.inspect(inspection(change)) { _ in recorder.add(1) }
      }
      guard case .invalidArgument(let detail) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(detail.contains(word))
    }
    #expect(kept == nil)
    try engine.callAndWait {}
    #expect(try engine.health().run.count == 0)
    try engine.shutdownAndWait()
    #expect(errorKind { () throws(EngineError) in try engine.inspect(inspection()) } == "shutdown")
  }

  private struct HealthText: Decodable {
    struct Times: Decodable { var count: Int }
    var state: String
    var run: Times
  }

  private struct TraceText: Decodable {
    struct Event: Decodable {
      var name: String
      var ph: String
      var tid: Int
      var ts: Double
      var dur: Double?
    }
    var traceEvents: [Event]
  }

  @Test("Health and trace are JSON that a parser reads")
  func json() async throws {
    let engine = try Engine()
    try engine.inspect(inspection())
    for _ in 0..<200 { try await engine.call(name: "a \"quoted\" name") {} }
    let decoder = JSONDecoder()
    let health = try decoder.decode(HealthText.self, from: Data(try engine.healthJSON().utf8))
    #expect(health.state == "running" && health.run.count >= 199)
    let trace = try decoder.decode(TraceText.self, from: Data(try engine.traceJSON().utf8))
    let slices = trace.traceEvents.filter { $0.ph == "X" }
    #expect(slices.count >= 199)
    #expect(slices.allSatisfy { $0.name == "a \"quoted\" name" && $0.dur != nil })
  }
}
