internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// An object of which each process has one, made at first use and never freed.
///
/// A forked child makes its own: the parent's threads are not there, and its mutexes may be held
/// for ever.
@safe final class PerProcess<Instance: AnyObject & Sendable>: Sendable {
  private final class Entry: Sendable {
    let process = getpid()
    let instance: Instance

    init(_ instance: Instance) { self.instance = instance }
  }

  /// The newest entry, held; or 0.
  private let word = Atomic<UInt>(0)
  private let make: @Sendable () -> Instance

  init(_ make: @escaping @Sendable () -> Instance) { self.make = make }

  /// This process's instance. Any thread.
  var current: Instance {
    var known = word.load(ordering: .acquiring)
    while true {
      if let entry = Self.entry(known), entry.process == getpid() { return entry.instance }
      let fresh = Entry(make())
      let reference = unsafe Unmanaged.passRetained(fresh)
      let (won, seen) = unsafe word.compareExchange(
        expected: known, desired: UInt(bitPattern: reference.toOpaque()),
        ordering: .acquiringAndReleasing)
      if won { return fresh.instance }
      unsafe reference.release()
      known = seen
    }
  }

  /// An instance, if one has been made: in a forked child it may be the parent's.
  var latest: Instance? { Self.entry(word.load(ordering: .acquiring))?.instance }

  private static func entry(_ word: UInt) -> Entry? {
    guard let pointer = unsafe UnsafeRawPointer(bitPattern: word) else { return nil }
    return unsafe Unmanaged<Entry>.fromOpaque(pointer).takeUnretainedValue()
  }
}
