extension Engine.Configuration {
  /// Options from the environment of the process; what is not set keeps its default.
  ///
  /// The variables, after the prefix: `NAME`, `STACK_SIZE`, `QUEUE_LIMIT`, `BATCH_LIMIT`,
  /// `SPIN_BUDGET`, `FORK_POLICY` (`fail` or `restart`), `OFFLOAD_THREADS`, `OFFLOAD_HARD_LIMIT`,
  /// `OFFLOAD_QUEUE_LIMIT`, `OFFLOAD_IDLE_TIMEOUT`, `START_TIMEOUT`. Durations and sizes have units
  /// (`250ms`, `64KiB`). Nothing reads the environment unless this is called.
  ///
  /// To read variables of your own under the same prefix, use
  /// ``EnvironmentReader/engineConfiguration()``.
  ///
  /// - Parameter prefix: Such as `MYPLUGIN_`; not empty.
  /// - Returns: The options.
  /// - Throws: ``EnvironmentError`` naming each variable that is wrong or not known, its value, and
  ///   what is accepted.
  public static func fromEnvironment(prefix: String) throws(EnvironmentError)
    -> Engine.Configuration
  {
    try from(EnvironmentReader(prefix: prefix))
  }

  /// Options from a dictionary, as from an environment.
  ///
  /// - Parameters:
  ///   - environment: Names, prefix included, and values.
  ///   - prefix: Not empty.
  /// - Returns: The options.
  /// - Throws: As ``fromEnvironment(prefix:)``.
  public static func from(
    environment: [String: String], prefix: String
  ) throws(EnvironmentError) -> Engine.Configuration {
    try from(EnvironmentReader(prefix: prefix, environment: environment))
  }

  private static func from(
    _ reader: EnvironmentReader
  ) throws(EnvironmentError) -> Engine.Configuration {
    var reader = reader
    let configuration = reader.engineConfiguration()
    try reader.finish()
    return configuration
  }
}

extension EnvironmentReader {
  /// The options of an engine; see ``Engine/Configuration/fromEnvironment(prefix:)``.
  ///
  /// - Returns: The options, defaults in place of what is not set or wrong.
  public mutating func engineConfiguration() -> Engine.Configuration {
    var result = Engine.Configuration()
    let counts = 1...Int(UInt32.max)
    let times = Duration.nanoseconds(1)...Duration.seconds(24 * 3_600)
    result.name = text("NAME", bytes: 1...15) ?? result.name
    result.stackSize = size("STACK_SIZE", in: 128 << 10...1 << 30) ?? result.stackSize
    result.queueLimit = count("QUEUE_LIMIT", in: counts) ?? result.queueLimit
    result.batchLimit = count("BATCH_LIMIT", in: counts) ?? result.batchLimit
    result.spinBudget = duration("SPIN_BUDGET", in: .zero ... .seconds(4)) ?? result.spinBudget
    result.forkPolicy =
      token("FORK_POLICY", ["fail": .fail, "restart": .restart]) ?? result.forkPolicy
    result.offload.threads = count("OFFLOAD_THREADS", in: counts) ?? result.offload.threads
    result.offload.hardLimit = count("OFFLOAD_HARD_LIMIT", in: counts) ?? result.offload.hardLimit
    result.offload.queueLimit =
      count("OFFLOAD_QUEUE_LIMIT", in: counts) ?? result.offload.queueLimit
    result.offload.idleTimeout =
      duration("OFFLOAD_IDLE_TIMEOUT", in: times) ?? result.offload.idleTimeout
    result.startTimeout = duration("START_TIMEOUT", in: times) ?? result.startTimeout
    let (threads, most) = (result.offload.threads, result.offload.hardLimit)
    if threads > most, isSet("OFFLOAD_THREADS") {
      refuse("OFFLOAD_THREADS", "at most OFFLOAD_HARD_LIMIT, which is \(most)")
    } else if threads > most {
      refuse("OFFLOAD_HARD_LIMIT", "at least OFFLOAD_THREADS, which is \(threads)")
    }
    return result
  }
}
