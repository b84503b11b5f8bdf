/// What the host has done so far, and what it may do next. The shell around it performs.
///
///     fresh --configure--> configured --init--> starting --> running
///       ^  \-refused                               |
///       '------------ init failed: as before <-----'
struct Lifecycle<Service: Sendable>: Sendable {
  enum Phase: Sendable {
    case fresh
    case configured(Configuration)
    /// The configuration was refused; `init` says why.
    case refused(PluginFault)
    case starting(Configuration)
    case running(Service, Configuration)
  }

  private(set) var phase = Phase.fresh

  /// What `init` has to do.
  enum Start: Sendable {
    case start(Configuration)
    case nothing
  }

  /// Takes a configuration; a refused one may be followed by a better one. The one that holds may
  /// be given again: a host that unloads the plugin and loads it again finds the same instance.
  ///
  /// - Returns: The ABI's code.
  mutating func configure(json: [UInt8]) -> Int32 {
    let given = Result { () throws(PluginFault) in try Configuration(json: json) }
    switch (phase, given) {
    case (.fresh, .success(let configuration)), (.refused, .success(let configuration)):
      phase = .configured(configuration)
      return Reply.ok
    case (.fresh, .failure(let fault)), (.refused, .failure(let fault)):
      phase = .refused(fault)
      return Reply.failed
    case (.configured(let held), .success(let configuration)),
      (.starting(let held), .success(let configuration)),
      (.running(_, let held), .success(let configuration)):
      return held == configuration ? Reply.ok : Reply.configuredAlready
    case (_, .failure):
      return Reply.failed
    }
  }

  /// Begins the start; without a configuration, with the defaults.
  mutating func begin() throws(PluginFault) -> Start {
    switch phase {
    case .fresh:
      return start(Configuration())
    case .configured(let configuration):
      return start(configuration)
    case .refused(let fault):
      throw fault
    case .starting:
      throw .notReady("The plugin is being started by another thread")
    case .running:
      return .nothing
    }
  }

  private mutating func start(_ configuration: Configuration) -> Start {
    phase = .starting(configuration)
    return .start(configuration)
  }

  /// The start has come to an end; after a failed one, `init` may be called again.
  mutating func end(_ result: Result<Service, PluginFault>) {
    guard case .starting(let configuration) = phase else { return }
    switch result {
    case .success(let service): phase = .running(service, configuration)
    case .failure: phase = .configured(configuration)
    }
  }

  /// What a call works with.
  func service() throws(PluginFault) -> Service {
    switch phase {
    case .running(let service, _): return service
    case .starting: throw .notReady("The plugin is still starting")
    case .refused(let fault): throw fault
    case .fresh, .configured: throw .notReady("The plugin has not been initialised")
    }
  }
}
