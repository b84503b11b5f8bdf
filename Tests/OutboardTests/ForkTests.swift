import CTestSupport
import Testing

/// The cases are in Tests/ForkProbe: each runs in a process of its own.
@Suite(
  "In a forked child", .enabled(if: test_thread_sanitizer() == 0), .timeLimit(.minutes(1)))
struct ForkTests {
  @Test(
    "A child's calls fail, or start a fresh loop, as its policy says; shared engines are fresh",
    arguments: ["fail", "restart", "shared"])
  func child(_ name: String) async throws {
    let code = try await HostThread.run { unsafe test_run_beside("ForkProbe", name) }
    #expect(code == 0)
  }
}
