import Glibc
import Outboard

/// A process that has no descriptor left.
enum DescriptorProbe {
  /// An engine starts and answers there. What has to be waited for on the loop fails with cause and
  /// cure, and works when there are descriptors again.
  static func scarce() throws -> Int32 {
    var ends: [Int32] = [0, 0]
    guard unsafe pipe(&ends) == 0, unsafe write(ends[1], "x", 1) == 1 else { return 2 }
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return 3
    }
    let usual = limit.rlim_cur
    limit.rlim_cur = 0  // for new ones; those that are open stay
    guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return 4
    }
    let engine = try Engine()
    let end = ends[0]
    guard try engine.callAndWait({ 42 }) == 42 else { return 5 }
    for _ in 0..<2 {
      let text = try engine.callAndWait { await refusal { try await engine.readable(end) } }
      guard text.contains("RLIMIT_NOFILE") else { return 6 }
    }
    guard try engine.callAndWait({ 43 }) == 43 else { return 7 }
    limit.rlim_cur = usual
    guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      return 8
    }
    try engine.callAndWait { try await engine.readable(end) }
    return try engine.callAndWait { 0 }
  }

  private static func refusal(_ body: () async throws -> Void) async -> String {
    do {
      try await body()
      return ""
    } catch EngineError.system(let text) {
      return text
    } catch {
      return "another error: \(error)"
    }
  }
}
