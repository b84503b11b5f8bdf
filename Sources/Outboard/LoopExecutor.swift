internal import COutboard
internal import Synchronization

/// An engine's loop as an executor.
///
/// - As a task executor: `Task(executorPreference: engine.executor)` and
///   `withTaskExecutorPreference` run every step of nonisolated code on the loop thread.
/// - As a serial executor: an actor lives on the loop when its `unownedExecutor` is
///   `engine.executor.asUnownedSerialExecutor()`; the actor must hold the engine.
/// - As a scheduling executor: `Task.sleep` under it uses the loop's timers.
///
/// Jobs are never refused. Once the loop has closed they run serially on a fallback thread.
///
/// `@unchecked Sendable`: `handle` is an engine of the core, whose functions may be called from any
/// thread; `engine` is set before the executor is shared; everything else belongs to the loop
/// thread.
@safe public final class LoopExecutor: @unchecked Sendable {
  /// The core's engine. Valid as long as this object: its deinit gives it up.
  let handle: OpaquePointer

  /// False for the shared engine, which is everybody's: it is neither stopped nor given up when
  /// this object ends.
  private let ownsHandle: Bool

  /// Whose executor this is; nil once that has gone.
  weak var engine: Engine?

  /// Told when the loop closes. Until then the loop holds this object, so that whatever runs there
  /// can rely on it.
  let closing: UnsafeMutablePointer<ob_timer>

  /// Where jobs can be queued in their own private words.
  let jobsAreIntrusive = JobLayout.isIntrusive

  /// Whether somebody has been told to join the loop's thread.
  private let joining = Atomic<Bool>(false)

  /// Timer records to be used again. Loop thread.
  var sleepers = SleeperPool()

  /// What waits for descriptors, once something does. Loop thread.
  var io: LoopIO?

  /// Set when the loop has closed: nothing may be begun any more.
  let hasClosed = Atomic<Bool>(false)

  init(handle: OpaquePointer, owned: Bool) {
    unsafe self.handle = handle
    ownsHandle = owned
    unsafe closing = .allocate(capacity: 1)
    unsafe closing.initialize(to: ob_timer())
  }

  /// Its engine has gone: begins a stop in cancel mode and does not wait. Any thread.
  func letGo() {
    if ownsHandle { beginStop() }
  }

  /// True for the first who asks.
  func mustJoin() -> Bool { !joining.exchange(true, ordering: .relaxed) }

  deinit {
    sleepers.drain()
    unsafe closing.deallocate()
    if ownsHandle { unsafe ob_engine_dispose(handle) }
  }
}
