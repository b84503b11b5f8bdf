/// The answer of a blocking function, asked for once and shared.
///
/// The first who wants it pays for the hop to a pool thread; who comes while the function runs
/// shares its answer; who comes later gets what is kept, without suspending. Failures are shared
/// but not kept unless asked for. The function never runs twice at once. A waiter that is cancelled
/// leaves, the last one cancels the function (``Engine/isCallCancelled``); whoever comes before it
/// has ended waits for that and has it run again.
///
/// Where there is no loop, ``valueAndWait(deadline:)`` runs the function on the calling thread.
///
/// `@unchecked Sendable`: `state`, `task` and `runner` are protected by `room`'s lock.
public final class Memo<Value: Sendable>: @unchecked Sendable {
  private let room = WaitingRoom<MemoState<Value>.Notice>()
  private var state: MemoState<Value>
  /// The flight that the pool was asked for.
  private var task: Task<Void, Never>?
  /// The thread that runs the probe; 0 for none.
  private var runner: UInt = 0
  private let probe: @Sendable () throws -> Value
  private let time: TimeSource

  /// - Parameters:
  ///   - keeping: How long to keep a value.
  ///   - keepingFailures: How long to keep an error.
  ///   - probe: May block. Runs on a pool thread, or on one that calls ``valueAndWait(deadline:)``.
  public convenience init(
    keeping: MemoRetention = .forever, keepingFailures: MemoRetention = .none,
    _ probe: @escaping @Sendable () throws -> Value
  ) {
    self.init(keeping, keepingFailures, .monotonic, probe)
  }

  init(
    _ keeping: MemoRetention, _ keepingFailures: MemoRetention, _ time: TimeSource,
    _ probe: @escaping @Sendable () throws -> Value
  ) {
    state = MemoState(keeping: keeping, keepingFailures: keepingFailures)
    self.time = time
    self.probe = probe
  }

  /// The value, if one is kept. Any thread; never blocks.
  public var kept: Value? {
    guard case .success(let value)? = room.locked({ state.answer(now: time.now()) }) else {
      return nil
    }
    return value
  }

  /// Forgets what is kept. What is being found out is still told to who waits for it, but not kept.
  public func forget() {
    room.locked { state.forget() }
  }

  /// The value: kept, shared, or found out on the engine's pool. Any task.
  ///
  /// - Parameter engine: Whose pool runs the function, if it has to run.
  /// - Returns: What the function returned.
  /// - Throws: The function's error as it is; ``EngineError/cancelled``; when the pool refuses the
  ///   function, as ``Engine/offload(deadline:whenFull:name:_:)``.
  public func value(on engine: Engine) async throws -> Value {
    while true {
      if let answer = room.locked({ state.answer(now: time.now()) }) { return try answer.get() }
      let notice = await room.wait { waiter in
        switch state.join(waiter, now: time.now()) {
        case .ready(let answer): return .answer(answer)
        case .launch(let flight):
          task = launch(flight, on: engine)
          return nil
        case .run, .wait: return nil
        }
      } leave: { waiter, reason in
        self.leave(waiter, reason)
      }
      switch notice {
      case .answer(let answer): return try answer.get()
      case .again: continue
      case .left(let reason): throw reason
      }
    }
  }

  /// The value: kept, shared, or found out on the calling thread. No loop is needed.
  ///
  /// - Parameter deadline: When to stop waiting for a function that runs elsewhere; one that this
  ///   thread runs is not interrupted.
  /// - Returns: What the function returned.
  /// - Throws: The function's error as it is; ``EngineError/timedOut(_:)``;
  ///   ``EngineError/deadlock(_:)``, before anything runs, on a loop thread and inside the function
  ///   itself, unless the value is kept.
  @available(*, noasync, message: "blocks the thread; await value(on:) in its place")
  public func valueAndWait(deadline: Deadline = .never) throws -> Value {
    let expiry = deadline.expiry
    while true {
      var flight: UInt64?
      let notice = try room.block(until: expiry) { waiter in
        try enterBlocking(waiter, &flight)
      } leave: { waiter, reason in
        self.leave(waiter, reason)
      }
      if let flight { return try run(flight).get() }
      switch notice {
      case .answer(let answer): return try answer.get()
      case .again: continue
      case .left(let reason): throw reason
      }
    }
  }

  /// Under the lock. A thread that runs the flight has its answer from that.
  private func enterBlocking(
    _ waiter: UInt64, _ flight: inout UInt64?
  ) throws -> MemoState<Value>.Notice? {
    if let answer = state.answer(now: time.now()) { return .answer(answer) }
    if LoopExecutor.current != nil {
      throw EngineError.deadlock("Memo.valueAndWait would block the loop")
    }
    if runner == NativeThread.currentID {
      throw EngineError.deadlock("the function of a Memo asks for its own value")
    }
    switch state.joinBlocking(waiter, now: time.now()) {
    case .ready(let answer): return .answer(answer)
    case .run(let id):
      flight = id
      runner = NativeThread.currentID
      return .again
    case .launch, .wait: return nil
    }
  }

  /// How many wait.
  var waiting: Int { room.locked { state.waiting } }

  // MARK: The flight

  /// Detached, as it belongs to all who wait and not to the task that came first.
  private func launch(_ flight: UInt64, on engine: Engine) -> Task<Void, Never> {
    Task.detached {
      var reason = EngineError.cancelled
      do throws(EngineError) {
        try await engine.offload(name: "Memo") {
          if self.begin(flight) { _ = self.run(flight) }
        }
      } catch {
        reason = error
      }
      self.tell { $0.close(flight, reason) }
    }
  }

  private func begin(_ flight: UInt64) -> Bool {
    room.locked {
      let begins = state.begin(flight)
      if begins { runner = NativeThread.currentID }
      return begins
    }
  }

  /// Runs the probe; the caller has begun the flight.
  private func run(_ flight: UInt64) -> Result<Value, any Error> {
    let answer = Result(catching: probe)
    room.locked {
      runner = 0
      for (waiter, notice) in state.end(flight, answer, now: time.now()) {
        room.tell(waiter, notice)
      }
    }
    return answer
  }

  private func tell(_ change: (inout MemoState<Value>) -> [(UInt64, MemoState<Value>.Notice)]) {
    room.locked { for (waiter, notice) in change(&state) { room.tell(waiter, notice) } }
  }

  private func leave(_ waiter: UInt64, _ reason: EngineError) {
    let cancelled = room.locked { () -> Task<Void, Never>? in
      let (waited, cancel) = state.leave(waiter)
      if waited { room.tell(waiter, .left(reason)) }
      return cancel ? task : nil
    }
    cancelled?.cancel()
  }
}
