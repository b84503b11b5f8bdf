import Glibc

/// The side of an interposed allocator that counts (LD_PRELOAD), looked up by name:
/// `void ob_probe_begin(const char *what)` and
/// `void ob_probe_end(const char *what, uint64_t operations, uint64_t most)`. Without it nothing is
/// told.
@safe struct Probe: Sendable {
  private typealias Begin = @Sendable @convention(c) (UnsafePointer<CChar>) -> Void
  private typealias End = @Sendable @convention(c) (UnsafePointer<CChar>, UInt64, UInt64) -> Void

  private let beginning: Begin?
  private let ending: End?

  init() {
    unsafe beginning = dlsym(nil, "ob_probe_begin").map { unsafe unsafeBitCast($0, to: Begin.self) }
    unsafe ending = dlsym(nil, "ob_probe_end").map { unsafe unsafeBitCast($0, to: End.self) }
  }

  func begin(_ what: StaticString) {
    unsafe beginning?(Self.text(what))
  }

  /// - Parameters:
  ///   - what: The section.
  ///   - operations: How many there were.
  ///   - most: How often each may allocate.
  func end(_ what: StaticString, _ operations: Int, most: UInt64 = 0) {
    unsafe ending?(Self.text(what), UInt64(operations), most)
  }

  private static func text(_ text: StaticString) -> UnsafePointer<CChar> {
    unsafe UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
