import CTestSupport
import Testing

/// The cases are in Tests/ForkProbe: each runs in a process of its own.
@Suite("I/O in a process of its own", .timeLimit(.minutes(3)))
struct AloneTests {
  @Test(
    """
    A thousand children leave nothing behind; a host that ignores SIGCHLD, or has no descriptor \
    left, gets a clear error
    """,
    arguments: ["spawns", "ignored", "scarce"])
  func probe(_ name: String) async throws {
    let code = try await HostThread.run { unsafe test_run_beside("ForkProbe", name) }
    #expect(code == 0)
  }

  @Test(
    "In a forked child the parent's streams and listeners are refused, and can be let go",
    .enabled(
      if: test_thread_sanitizer() == 0 && test_address_sanitizer() == 0 && loopNeedsNoPool))
  func streams() async throws {
    let code = try await HostThread.run { unsafe test_run_beside("ForkProbe", "streams") }
    #expect(code == 0)
  }
}

/// Without the scheduling SPI some steps of a task go by the runtime's pool, whose threads a forked
/// child does not have.
#if OUTBOARD_NO_SPI
  private let loopNeedsNoPool = false
#else
  private let loopNeedsNoPool = true
#endif
