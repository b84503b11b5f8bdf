internal import COutboard

/// What the core is told about a call beside its body.
struct CallOptions: Sendable {
  /// Where the body runs.
  enum Place: Sendable {
    /// On the loop, from beginning to end.
    case loop
    /// On the loop, answering later.
    case loopLater
    /// On the pool.
    case pool
  }

  let place: Place
  let expiry: Expiry
  let whenFull: QueueFullPolicy
  /// For the report of a stop that has to wait.
  let name: StaticString

  /// The core's flags.
  var flags: UInt32 {
    let flag: UInt32 =
      switch place {
      case .loop: OB_CALL_SYNC.rawValue
      case .loopLater: 0
      case .pool: OB_CALL_OFFLOAD.rawValue
      }
    return whenFull == .fail ? flag | OB_CALL_NOWAIT.rawValue : flag
  }

  /// The name as the core takes it.
  var nativeName: UnsafePointer<CChar>? { unsafe name.nativeName }

  /// The same, failing at once when the queue is full.
  var withoutWaiting: CallOptions {
    CallOptions(place: place, expiry: expiry, whenFull: .fail, name: name)
  }
}

extension StaticString {
  /// As the core takes names; lives as long as the process.
  var nativeName: UnsafePointer<CChar>? {
    guard hasPointerRepresentation else { return nil }
    return unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
