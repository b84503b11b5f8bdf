/// Who has which session, and who waits for one.
///
/// A lease is one place in the pool: it is taken before its session is connected and given up after
/// the session is disconnected, so that there are never more sessions than places, half-open ones
/// included. A session is either idle or belongs to one lease.
struct SessionPoolState<Session: Sendable> {
  /// A place, with a session unless one has to be connected.
  struct Grant {
    let lease: UInt64
    let idle: Idle?
  }

  /// A session nobody uses.
  struct Idle {
    let session: Session
    /// When it was given back.
    let since: UInt64
    /// Whether the call before threw.
    let suspect: Bool
  }

  /// What a waiter is told.
  enum Notice {
    case granted(Grant)
    case refused(EngineError)
    /// To one who waits for the end of the pool.
    case closed
  }

  /// What is to be done outside the lock.
  struct Effects {
    var notices: [(UInt64, Notice)] = []
    /// To disconnect, and then ``SessionPoolState/release(_:)``.
    var disconnect: [(lease: UInt64, session: Session)] = []
  }

  let limit: Int
  private let waiterLimit: Int
  private let idleTimeout: UInt64
  /// The one used last is the last: it is reused first, and the others may expire.
  private(set) var idle: [Idle] = []
  private(set) var leases: Set<UInt64> = []
  private(set) var waiters = WaiterQueue()
  /// Who waits for the end of the pool.
  private var closers = WaiterQueue()
  private(set) var isClosing = false
  private var lastLease: UInt64 = 0

  init(_ options: SessionPoolOptions) {
    limit = options.limit
    waiterLimit = options.waiterLimit
    idleTimeout = options.idleTimeout?.saturatedNanoseconds ?? .max
  }

  // MARK: Getting one

  /// Somebody wants a session.
  ///
  /// - Parameters:
  ///   - waiter: Told later if it has to wait.
  ///   - held: Leases that its task has, or has had.
  /// - Returns: What it is told at once; nil when it has to wait.
  mutating func enter(_ waiter: UInt64, holding held: [UInt64]) -> Notice? {
    if isClosing { return .refused(.shutdown) }
    // Nobody waits while a place is free, so nobody is overtaken.
    if let grant = grant() { return .granted(grant) }
    if held.contains(where: leases.contains) {
      return .refused(
        .deadlock(
          "a task that has a session of this pool wants another, and all \(limit) are taken"))
    }
    if waiters.count >= waiterLimit { return .refused(.queueFull) }
    waiters.append(waiter)
    return nil
  }

  /// A waiter is cancelled or out of time.
  ///
  /// - Returns: False when it does not wait any more.
  mutating func leave(_ waiter: UInt64) -> Bool {
    waiters.remove(waiter) || closers.remove(waiter)
  }

  private mutating func grant() -> Grant? {
    guard leases.count < limit else { return nil }
    if let idle = idle.popLast() { return Grant(lease: newLease(), idle: idle) }
    return Grant(lease: newLease(), idle: nil)
  }

  private mutating func newLease() -> UInt64 {
    lastLease += 1
    leases.insert(lastLease)
    return lastLease
  }

  // MARK: Giving it back

  /// A session is given back, connected.
  mutating func giveBack(
    _ lease: UInt64, _ session: Session, suspect: Bool, now: UInt64
  ) -> Effects {
    guard leases.contains(lease) else { preconditionFailure("Outboard: a lease ended twice") }
    if isClosing { return Effects(disconnect: [(lease, session)]) }
    leases.remove(lease)
    idle.append(Idle(session: session, since: now, suspect: suspect))
    return serve()
  }

  /// A place is given up: its session is disconnected, or never was connected.
  mutating func release(_ lease: UInt64) -> Effects {
    guard leases.remove(lease) != nil else {
      preconditionFailure("Outboard: a lease ended twice")
    }
    return serve()
  }

  /// Gives what is free to who waits, or ends the pool if that was the last of it.
  private mutating func serve() -> Effects {
    var effects = Effects()
    while !waiters.isEmpty, let grant = grant(), let waiter = waiters.popFirst() {
      effects.notices.append((waiter, .granted(grant)))
    }
    while isClosed, let closer = closers.popFirst() { effects.notices.append((closer, .closed)) }
    return effects
  }

  // MARK: Idle sessions

  /// Takes out those that have been idle too long.
  ///
  /// - Returns: What to disconnect, and when to come again; nil for not before one is given back.
  mutating func expire(now: UInt64) -> (Effects, after: UInt64?) {
    var effects = Effects()
    while let oldest = idle.first {
      let left = Expiry(after: idleTimeout, now: oldest.since).remaining(at: now)
      if left > 0 { return (effects, left == .max ? nil : left) }
      effects.disconnect.append((newLease(), idle.removeFirst().session))
    }
    return (effects, nil)
  }

  // MARK: The end

  /// Nobody gets a session any more; idle ones are disconnected, the others when they are given
  /// back.
  mutating func close() -> Effects {
    var effects = Effects()
    isClosing = true
    while let waiter = waiters.popFirst() {
      effects.notices.append((waiter, .refused(.shutdown)))
    }
    while let last = idle.popLast() { effects.disconnect.append((newLease(), last.session)) }
    return effects
  }

  /// Somebody wants to know when it is over.
  ///
  /// - Returns: That it is; nil when it has to wait.
  mutating func awaitEnd(_ waiter: UInt64) -> Notice? {
    if isClosed { return .closed }
    closers.append(waiter)
    return nil
  }

  private var isClosed: Bool { isClosing && leases.isEmpty }
}
