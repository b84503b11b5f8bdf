/// What a ``Memo`` knows, and who waits for it to know more.
///
/// At most one probe runs at a time. A flight is one run of it and those who share it: it is
/// pending until somebody begins to run it, a pool thread or a thread that would have to wait for
/// one, so that nobody waits for a thread that itself is waited for.
struct MemoState<Value: Sendable> {
  typealias Answer = Result<Value, any Error>

  /// What a waiter is told.
  enum Notice {
    case answer(Answer)
    /// The flight came to nothing through no fault of the probe's: join again.
    case again
    /// The waiter is cancelled, or out of time.
    case left(EngineError)
  }

  /// What one who wants the value is to do.
  enum Entrance {
    case ready(Answer)
    /// Wait; and before that have this flight run by the pool.
    case launch(UInt64)
    /// Run this flight here and now.
    case run(UInt64)
    case wait
  }

  private struct Flight {
    let id: UInt64
    /// Who asked the pool for it; nil when a thread runs it that did so for itself.
    let launcher: UInt64?
    var begun = false
    var waiters: [UInt64]
    /// The one among them that runs it: it needs not be told.
    var runner: UInt64?
    /// Nobody is left who wants it; who comes now joins again when it has ended.
    var cancelled = false
    /// What it finds is out of date.
    var stale = false
  }

  private let keeping: MemoRetention
  private let keepingFailures: MemoRetention
  private var kept: (answer: Answer, expiry: Expiry)?
  private var flight: Flight?
  private var flights: UInt64 = 0

  init(keeping: MemoRetention, keepingFailures: MemoRetention) {
    self.keeping = keeping
    self.keepingFailures = keepingFailures
  }

  /// How many wait, the one that runs the flight included.
  var waiting: Int { flight?.waiters.count ?? 0 }

  /// The answer that is kept.
  ///
  /// - Parameter now: The clock; not read for one that is kept for ever.
  /// - Returns: Nil when there is none, or no longer.
  func answer(now: @autoclosure () -> UInt64) -> Answer? {
    guard let kept, kept.expiry.remaining(at: now()) > 0 else { return nil }
    return kept.answer
  }

  /// A task wants the value.
  mutating func join(_ waiter: UInt64, now: @autoclosure () -> UInt64) -> Entrance {
    if let answer = answer(now: now()) { return .ready(answer) }
    if flight == nil { return .launch(open(launcher: waiter, waiter)) }
    flight?.waiters.append(waiter)
    return .wait
  }

  /// A thread wants the value, and may block.
  mutating func joinBlocking(_ waiter: UInt64, now: @autoclosure () -> UInt64) -> Entrance {
    if let answer = answer(now: now()) { return .ready(answer) }
    if flight == nil { _ = open(launcher: nil, waiter) } else { flight?.waiters.append(waiter) }
    guard let id = flight?.id, begin(id) else { return .wait }
    flight?.runner = waiter
    return .run(id)
  }

  private mutating func open(launcher: UInt64?, _ waiter: UInt64) -> UInt64 {
    flights += 1
    flight = Flight(id: flights, launcher: launcher, waiters: [waiter])
    return flights
  }

  /// A waiter is cancelled or out of time.
  ///
  /// - Returns: Whether it still waited, and whether the flight is to be cancelled.
  mutating func leave(_ waiter: UInt64) -> (waited: Bool, cancel: Bool) {
    guard let index = flight?.waiters.firstIndex(of: waiter) else { return (false, false) }
    flight?.waiters.remove(at: index)
    guard let left = flight, left.waiters.isEmpty, !left.cancelled else { return (true, false) }
    flight?.cancelled = true
    return (true, true)
  }

  /// Somebody is about to run the probe.
  ///
  /// - Returns: False when it is not to: it is run elsewhere, or nobody wants it.
  mutating func begin(_ id: UInt64) -> Bool {
    guard let known = flight, known.id == id, !known.begun, !known.cancelled else { return false }
    flight?.begun = true
    return true
  }

  /// The probe has ended.
  ///
  /// - Returns: Who is to be told what.
  mutating func end(_ id: UInt64, _ answer: Answer, now: UInt64) -> [(UInt64, Notice)] {
    guard let ended = flight, ended.id == id, ended.begun else { return [] }
    flight = nil
    let told = ended.waiters.filter { $0 != ended.runner }
    let failed = if case .failure = answer { true } else { false }
    if failed, ended.cancelled { return told.map { ($0, .again) } }
    let expiry = (failed ? keepingFailures : keeping).expiry(now: now)
    if !ended.stale, expiry.remaining(at: now) > 0 { kept = (answer, expiry) }
    return told.map { ($0, .answer(answer)) }
  }

  /// The pool is through with a flight that it was asked for, without having begun it or with.
  ///
  /// - Returns: Who is to be told what, if the flight has not begun and now never will.
  mutating func close(_ id: UInt64, _ reason: EngineError) -> [(UInt64, Notice)] {
    guard let closed = flight, closed.id == id, !closed.begun else { return [] }
    flight = nil
    return closed.waiters.map { waiter in
      (waiter, waiter == closed.launcher ? .answer(.failure(reason)) : .again)
    }
  }

  /// Forgets what is kept, and what a flight that is under way will find.
  mutating func forget() {
    kept = nil
    flight?.stale = true
  }
}
