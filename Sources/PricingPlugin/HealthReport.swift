internal import Outboard

/// What `health` says when the database has answered.
struct HealthReport: Sendable, Encodable {
  let status = "ok"
  var database: String
  var products: Int64
  /// Open to the database, of `max_connections`.
  var connections: Int
  var engine: Counters

  /// The engine's counters under the names that JSON uses.
  struct Counters: Sendable, Encodable {
    var submitted, completed, cancelled, timedOut, refused, inFlight: UInt64
    var queueHighWater, wakesWritten, wakesAvoided, sleeps: UInt64
    var offloadThreads, offloadQueued: UInt64
    var busyMilliseconds: Int64

    enum CodingKeys: String, CodingKey {
      case submitted, completed, cancelled, refused, sleeps
      case timedOut = "timed_out"
      case inFlight = "in_flight"
      case queueHighWater = "queue_high_water"
      case wakesWritten = "wakes_written"
      case wakesAvoided = "wakes_avoided"
      case offloadThreads = "offload_threads"
      case offloadQueued = "offload_queued"
      case busyMilliseconds = "busy_ms"
    }
  }

  init(database: String, products: Int64, connections: Int, engine: Engine.Statistics) {
    self.database = database
    self.products = products
    self.connections = connections
    self.engine = Counters(
      submitted: engine.submitted, completed: engine.completed, cancelled: engine.cancelled,
      timedOut: engine.timedOut, refused: engine.refused, inFlight: engine.inFlight,
      queueHighWater: engine.queueHighWater, wakesWritten: engine.wakesWritten,
      wakesAvoided: engine.wakesAvoided, sleeps: engine.sleeps,
      offloadThreads: engine.offloadThreads, offloadQueued: engine.offloadQueued,
      busyMilliseconds: Int64(engine.busy / .milliseconds(1)))
  }

  enum CodingKeys: CodingKey {
    case status, database, products, connections, engine
  }
}
