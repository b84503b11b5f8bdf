/// Who waits for which descriptor, and what the system is to be told about it.
///
/// One waiter per descriptor and direction. Registrations are one-shot: an event disarms its
/// descriptor. A tag per entry tells a late event, of an entry that has gone, from one that counts.
struct WaitTable<Waiter> {
  /// What the system is to be told.
  enum Change: Equatable {
    /// Register a descriptor with a tag for these directions.
    case add(fd: Int32, tag: UInt32, interest: UInt32)
    /// Arm a registered descriptor for these directions.
    case arm(fd: Int32, tag: UInt32, interest: UInt32)
    /// Take it out.
    case remove(fd: Int32)
  }

  /// The answer to one who wants to wait.
  enum Admission {
    /// It waits when the change is made.
    case waits(Change)
    /// Somebody waits already. `check` fails with ENOENT if that registration is of a file that was
    /// closed meanwhile.
    case occupied(check: Change)
  }

  private struct Entry {
    let tag: UInt32
    /// Stays registered while nobody waits, until `forget`.
    let stays: Bool
    /// By direction: read, write.
    var waiters: (Waiter?, Waiter?) = (nil, nil)

    subscript(direction: IODirection) -> Waiter? {
      get { direction == .read ? waiters.0 : waiters.1 }
      set { if direction == .read { waiters.0 = newValue } else { waiters.1 = newValue } }
    }

    var interest: UInt32 {
      (waiters.0 == nil ? 0 : IODirection.read.rawValue)
        | (waiters.1 == nil ? 0 : IODirection.write.rawValue)
    }

    var all: [Waiter] { [waiters.0, waiters.1].compactMap(\.self) }
  }

  private var entries: [Int32: Entry] = [:]
  private var lastTag: UInt32 = 0

  /// How many descriptors have an entry.
  var count: Int { entries.count }

  /// Lets one wait.
  ///
  /// - Parameters:
  ///   - waiter: Who.
  ///   - fd: For which descriptor.
  ///   - direction: For what.
  ///   - stays: Whether the registration stays when nobody waits; then `forget` must come before the
  ///     descriptor is closed.
  /// - Returns: What to tell the system, or that somebody waits already.
  mutating func admit(
    _ waiter: Waiter, fd: Int32, direction: IODirection, stays: Bool
  ) -> Admission {
    if var entry = entries[fd] {
      guard entry[direction] == nil else {
        return .occupied(check: .arm(fd: fd, tag: entry.tag, interest: entry.interest))
      }
      entry[direction] = waiter
      entries[fd] = entry
      return .waits(.arm(fd: fd, tag: entry.tag, interest: entry.interest))
    }
    lastTag &+= 1
    var entry = Entry(tag: lastTag, stays: stays)
    entry[direction] = waiter
    entries[fd] = entry
    return .waits(.add(fd: fd, tag: entry.tag, interest: entry.interest))
  }

  /// Takes one back who waits: cancelled, out of time.
  ///
  /// - Returns: What to tell the system. While the other direction is waited for that is nothing: an
  ///   event of this one finds nobody.
  mutating func withdraw(fd: Int32, direction: IODirection) -> Change? {
    guard var entry = entries[fd], entry[direction] != nil else { return nil }
    entry[direction] = nil
    entries[fd] = entry
    return entry.interest == 0 ? settle(fd, entry) : nil
  }

  /// A descriptor is ready.
  ///
  /// - Parameters:
  ///   - fd: Which.
  ///   - tag: Of the registration that the event is of.
  ///   - events: Directions, as bits.
  /// - Returns: Who need wait no longer, and what to tell the system.
  mutating func ready(fd: Int32, tag: UInt32, events: UInt32) -> ([Waiter], Change?) {
    guard var entry = entries[fd], entry.tag == tag else { return ([], nil) }
    var done: [Waiter] = []
    for direction in IODirection.allCases where events & direction.rawValue != 0 {
      if let waiter = entry[direction] { done.append(waiter) }
      entry[direction] = nil
    }
    entries[fd] = entry
    return (done, settle(fd, entry))
  }

  /// After an event, or with nobody left.
  private mutating func settle(_ fd: Int32, _ entry: Entry) -> Change? {
    if entry.interest != 0 { return .arm(fd: fd, tag: entry.tag, interest: entry.interest) }
    if entry.stays { return nil }
    entries[fd] = nil
    return .remove(fd: fd)
  }

  /// A descriptor is about to be closed, or turned out to be.
  ///
  /// - Returns: Who waited, and what to tell the system.
  mutating func forget(fd: Int32) -> ([Waiter], Change?) {
    guard let entry = entries.removeValue(forKey: fd) else { return ([], nil) }
    return (entry.all, .remove(fd: fd))
  }

  /// The end of all.
  ///
  /// - Returns: Who waited.
  mutating func drain() -> [Waiter] {
    defer { entries = [:] }
    return entries.values.flatMap(\.all)
  }
}
