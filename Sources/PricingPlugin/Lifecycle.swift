/// What the host has done so far, and what it may do next. The shell around it performs.
///
///     fresh --configure--> configured --init--> starting --> running
///       ^  \-refused                               |
///       '------------ init failed: as before <-----'
///
/// A host that loads the plugin again, or has two parts that load it, gets this instance: each may
/// configure it, as long as they want the same.
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

  /// Takes a configuration; a refused one may be followed by a better one, an accepted one only by
  /// its equal.
  ///
  /// - Returns: The ABI's code: 0 also for the configuration that holds already, 2 for another.
  mutating func configure(json: [UInt8]) -> Int32 {
    let wanted: Configuration
    do throws(PluginFault) {
      wanted = try Configuration(json: json)
    } catch {
      switch phase {
      case .fresh, .refused: phase = .refused(error)
      case .configured, .starting, .running: break
      }
      return Reply.failed
    }
    switch phase {
    case .fresh, .refused:
      phase = .configured(wanted)
      return Reply.ok
    case .configured(let held), .starting(let held), .running(_, let held):
      return wanted == held ? Reply.ok : Reply.configuredAlready
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
